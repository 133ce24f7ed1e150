//! Users.

use socklab::posix::pwd::getpwuid;

#[test]
fn a_user_has_a_name_or_is_not_known() {
    let root = getpwuid(0).expect("every system has user 0");
    assert_eq!((root.pw_name.to_str(), root.pw_uid), (Ok("root"), 0));
    // Nobody is given the number that C's calls read as "none".
    assert_eq!(getpwuid(u32::MAX), None);
}
