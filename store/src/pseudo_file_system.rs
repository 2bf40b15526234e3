//! File systems whose files the kernel generates as they are read.

use std::os::fd::AsFd;

use crate::file_system::f_type;

/// The `f_type` of each, from `linux/magic.h` unless another source is named. The size of a file there is 0, a page, or
/// the size of an earlier text, and says nothing about what a read returns.
const PSEUDO: [u32; 17] = [
    0x9fa0,      // procfs
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x0765_5821, // resctrl
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0xf97c_ff8c, // selinuxfs
    0x4341_5d53, // smackfs
    0x5a3c_69f0, // apparmorfs
    0x4249_4e4d, // binfmt_misc
    0xcafe_4a11, // bpf
    0xabba_1974, // xenfs
    0x6265_6570, // configfs (fs/configfs/mount.c)
    0x6573_5543, // fusectl (fs/fuse/control.c)
    0x6e66_7364, // nfsd (fs/nfsd/nfsctl.c)
];

/// Whether an open file is on one of them.
pub(crate) fn is_pseudo(file: impl AsFd) -> bool {
    f_type(file).is_some_and(|file_system| PSEUDO.contains(&file_system))
}
