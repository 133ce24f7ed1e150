//! What a picture is made of, with coordinates in pixels.

pub(in crate::report) struct Shape {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub class: String,
    pub pattern: &'static str,
    pub title: String,
}

pub(in crate::report) struct Text {
    pub x: f64,
    pub y: f64,
    pub class: &'static str,
    /// Turned by a quarter, to be read upwards.
    pub is_turned: bool,
    pub text: String,
}

pub(in crate::report) struct Path {
    pub class: &'static str,
    pub d: String,
}

/// What is drawn, from the back to the front.
pub(in crate::report) struct Drawing {
    pub width: f64,
    pub height: f64,
    /// How far the names of the lanes reach from the edge.
    pub margin: f64,
    pub frames: Vec<Shape>,
    pub lines: Vec<Path>,
    pub arrows: Vec<Path>,
    pub bars: Vec<Shape>,
    pub cuts: Vec<Shape>,
    pub marks: Vec<Path>,
    pub texts: Vec<Text>,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            margin: 0.0,
            frames: Vec::new(),
            lines: Vec::new(),
            arrows: Vec::new(),
            bars: Vec::new(),
            cuts: Vec::new(),
            marks: Vec::new(),
            texts: Vec::new(),
        }
    }
}
