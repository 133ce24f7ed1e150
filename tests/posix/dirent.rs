//! Linux's getdents64.

use std::fs::File;

use proptest::prelude::*;
use socklab::linux::dirent::{getdents64, names};
use socklab::posix::error::{EBADF, EINVAL, ENOTDIR};

use crate::support::{not_open, row};

#[test]
fn a_folder_in_parts() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("dirent");
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir(&path).expect("a folder");
    let mut expected = vec![String::from("."), String::from("..")];
    for number in 0..100 {
        File::create(path.join(number.to_string())).expect("a file");
        expected.push(number.to_string());
    }
    let folder = File::open(&path).expect("the folder");
    let (mut seen, mut calls) = (Vec::new(), 0);
    let mut dirp = [0; 512];
    loop {
        let length = getdents64(&folder, &mut dirp).expect("getdents64");
        if length == 0 {
            break;
        }
        seen.extend(names(&dirp[..length]).map(|name| name.to_str().expect("UTF-8").to_owned()));
        calls += 1;
    }
    assert!(calls > 1, "more than one buffer");
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn errors() {
    let mut dirp = [0; 512];
    row("getdents64", "not open", getdents64(not_open(), &mut dirp), EBADF);
    let file = File::open("/proc/self/stat").expect("a file");
    row("getdents64", "a file", getdents64(&file, &mut dirp), ENOTDIR);
    let folder = File::open("/proc").expect("a folder");
    row("getdents64", "no room", getdents64(&folder, &mut dirp[..8]), EINVAL);
}

proptest! {
    #[test]
    fn no_entry_is_too_strange(bytes: Vec<u8>) {
        prop_assert!(names(&bytes).count() <= bytes.len());
    }

    #[test]
    fn nor_one_whose_bytes_are_changed(at in 0..400_usize, byte: u8, cut in 0..400_usize) {
        let folder = File::open("/proc/self").expect("a folder");
        let mut dirp = [0; 400];
        let length = getdents64(&folder, &mut dirp).expect("getdents64");
        dirp[at] = byte;
        prop_assert!(names(&dirp[..length.min(cut)]).count() < 20);
    }
}
