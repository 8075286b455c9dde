//! What well-known base images contain: a table. What is not in it is unknown, never guessed.
//!
//! A tag moves, so that a fact from here is no proof of what was pulled. Where the rows come from:
//!
//! Read in what builds the image (November 2026):
//! - distroless: `static/static.bzl` (PATH, SSL_CERT_FILE, cacerts, tzdata, user and working directory
//!   of root and nonroot, `/busybox/sh`), `base/config.bzl` (libc6 and no libc-bin, so no `ldd`),
//!   `common/variables.bzl` (65532, 65534) of GoogleContainerTools/distroless.
//! - debian 11, 12, 13 and their slim: `<release>/slim/rootfs.manifest` of
//!   debuerreotype/docker-debian-artifacts: glibc 2.31, 2.36, 2.41; tzdata, dash, bash, perl-base,
//!   passwd, debianutils, hostname; neither ca-certificates nor curl, wget, procps, netcat.
//! - busybox: `latest/glibc/Dockerfile.builder` of docker-library/busybox (defconfig, and getconf).
//! - chainguard static: `images/static/locked_config.json` of chainguard-images/images
//!   (ca-certificates-bundle, tzdata, wolfi-baselayout; run-as 65532; no environment of its own).
//!
//! From documentation and knowledge, not read in a source: alpine's users and tools, ubuntu, golang's
//! tools, distroless java, python3 and nodejs, chainguard glibc-dynamic, wolfi-base and go, UBI and
//! amazonlinux. Their lists of tools are incomplete by declaration, except alpine's. Whether UBI,
//! amazonlinux and wolfi-base have zoneinfo differs between their builds: unknown.

use goformats::version::GoVersion;

use crate::facts::build::{BaseImage, Libc, ShellKind};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const PATH_ENV: &[(&str, &str)] = &[("PATH", PATH)];

/// Nothing at all. BuildKit gives it a PATH all the same (`dockerfile2llb/convert.go`).
static SCRATCH: BaseImage = BaseImage {
    name: "scratch",
    libc: Libc::None,
    shell: None,
    minimal: true,
    ca_bundle: Some(false),
    zoneinfo: Some(false),
    user: None,
    users: &[],
    tools: &[],
    tools_complete: true,
    go_toolchain: false,
    env: PATH_ENV,
    workdir: None,
    entrypoint: &[],
    cmd: &[],
    system_dirs: &[],
};

const DISTROLESS_ENV: &[(&str, &str)] =
    &[("PATH", PATH), ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")];
const DISTROLESS_DEBUG_ENV: &[(&str, &str)] = &[
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/busybox"),
    ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
];
const DISTROLESS_USERS: &[(&str, u32)] = &[("root", 0), ("nobody", 65534), ("nonroot", 65532)];
const STATIC_DIRS: &[&str] =
    &["/etc/", "/usr/lib/", "/usr/share/", "/var/", "/lib/", "/tmp/", "/home/", "/root/", "/run/"];
const BASE_DIRS: &[&str] = &[
    "/etc/",
    "/usr/lib/",
    "/usr/lib64/",
    "/usr/share/",
    "/var/",
    "/lib/",
    "/lib64/",
    "/usr/bin/",
    "/usr/sbin/",
    "/tmp/",
    "/home/",
    "/root/",
    "/run/",
];
const RUNTIME_DIRS: &[&str] = &[
    "/etc/", "/usr/", "/var/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/opt/", "/tmp/", "/home/",
    "/root/", "/run/", "/nodejs/",
];

/// `gcr.io/distroless/static`, as root.
const STATIC: BaseImage = BaseImage {
    name: "distroless/static",
    libc: Libc::None,
    shell: None,
    minimal: true,
    ca_bundle: Some(true),
    zoneinfo: Some(true),
    user: Some("0"),
    users: DISTROLESS_USERS,
    tools: &[],
    tools_complete: true,
    go_toolchain: false,
    env: DISTROLESS_ENV,
    workdir: None,
    entrypoint: &[],
    cmd: &[],
    system_dirs: STATIC_DIRS,
};
const BASE_NOSSL: BaseImage = BaseImage {
    name: "distroless/base-nossl",
    libc: Libc::Glibc(None),
    system_dirs: BASE_DIRS,
    ..STATIC
};
const BASE: BaseImage = BaseImage { name: "distroless/base", ..BASE_NOSSL };
const CC: BaseImage = BaseImage { name: "distroless/cc", ..BASE_NOSSL };
const JAVA: BaseImage = BaseImage {
    name: "distroless/java",
    tools: &["java"],
    system_dirs: RUNTIME_DIRS,
    ..BASE_NOSSL
};
const PYTHON: BaseImage = BaseImage {
    name: "distroless/python",
    tools: &["python", "python3"],
    system_dirs: RUNTIME_DIRS,
    ..BASE_NOSSL
};
const NODEJS: BaseImage = BaseImage {
    name: "distroless/nodejs",
    tools: &["node"],
    system_dirs: RUNTIME_DIRS,
    ..BASE_NOSSL
};

/// The variants of one distroless image: root and nonroot, each without and with busybox at
/// `/busybox` (which is not `/bin/sh`: shell form finds no shell there either).
const fn variants(image: BaseImage) -> [BaseImage; 4] {
    let nonroot = BaseImage { user: Some("65532"), workdir: Some("/home/nonroot"), ..image };
    let debug = BaseImage {
        tools: FULL_BUSYBOX_TOOLS,
        env: DISTROLESS_DEBUG_ENV,
        entrypoint: &["/busybox/sh"],
        system_dirs: DEBUG_DIRS,
        ..image
    };
    let debug_nonroot = BaseImage { user: Some("65532"), workdir: Some("/home/nonroot"), ..debug };
    [image, nonroot, debug, debug_nonroot]
}

const DEBUG_DIRS: &[&str] = &[
    "/etc/",
    "/usr/",
    "/var/",
    "/lib/",
    "/lib64/",
    "/bin/",
    "/sbin/",
    "/opt/",
    "/tmp/",
    "/home/",
    "/root/",
    "/run/",
    "/nodejs/",
    "/busybox/",
];

const fn glibc(image: BaseImage, minor: u16) -> BaseImage {
    BaseImage { libc: Libc::Glibc(Some(minor)), ..image }
}

/// An image and its variants by Debian release: unversioned, 11, 12, 13.
static DISTROLESS: [(&str, [[BaseImage; 4]; 4]); 7] = [
    ("static", [variants(STATIC), variants(STATIC), variants(STATIC), variants(STATIC)]),
    ("base-nossl", by_release(BASE_NOSSL)),
    ("base", by_release(BASE)),
    ("cc", by_release(CC)),
    ("java", by_release(JAVA)),
    ("python3", by_release(PYTHON)),
    ("nodejs", by_release(NODEJS)),
];

const fn by_release(image: BaseImage) -> [[BaseImage; 4]; 4] {
    [
        variants(image),
        variants(glibc(image, 31)),
        variants(glibc(image, 36)),
        variants(glibc(image, 41)),
    ]
}

/// Applets of Alpine's busybox that health checks, hooks and entrypoints call, and the shells and
/// file tools around them. busybox 1.36, `busybox --list`.
const BUSYBOX_TOOLS: &[&str] = &[
    "[",
    "[[",
    "adduser",
    "addgroup",
    "arch",
    "arping",
    "ash",
    "awk",
    "base64",
    "basename",
    "bc",
    "bunzip2",
    "busybox",
    "bzcat",
    "bzip2",
    "cal",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "chpasswd",
    "chroot",
    "cksum",
    "clear",
    "cmp",
    "comm",
    "cp",
    "cpio",
    "crond",
    "crontab",
    "cryptpw",
    "cut",
    "date",
    "dc",
    "dd",
    "deluser",
    "delgroup",
    "df",
    "diff",
    "dirname",
    "dmesg",
    "dnsdomainname",
    "dos2unix",
    "du",
    "echo",
    "egrep",
    "env",
    "expand",
    "expr",
    "factor",
    "fallocate",
    "false",
    "fgrep",
    "find",
    "flock",
    "fold",
    "free",
    "fsync",
    "fuser",
    "getopt",
    "getty",
    "grep",
    "groups",
    "gunzip",
    "gzip",
    "halt",
    "hd",
    "head",
    "hexdump",
    "hostid",
    "hostname",
    "id",
    "ifconfig",
    "inotifyd",
    "install",
    "ionice",
    "iostat",
    "ip",
    "ipcalc",
    "ipcs",
    "kill",
    "killall",
    "less",
    "link",
    "ln",
    "logger",
    "login",
    "ls",
    "lsof",
    "lzcat",
    "lzma",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "more",
    "mount",
    "mountpoint",
    "mpstat",
    "mv",
    "nc",
    "netstat",
    "nice",
    "nl",
    "nohup",
    "nologin",
    "nproc",
    "nsenter",
    "nslookup",
    "ntpd",
    "od",
    "passwd",
    "paste",
    "pgrep",
    "pidof",
    "ping",
    "ping6",
    "pkill",
    "pmap",
    "poweroff",
    "printenv",
    "printf",
    "ps",
    "pscan",
    "pstree",
    "pwd",
    "pwdx",
    "readlink",
    "realpath",
    "reboot",
    "renice",
    "reset",
    "rev",
    "rm",
    "rmdir",
    "route",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha1sum",
    "sha256sum",
    "sha3sum",
    "sha512sum",
    "shred",
    "shuf",
    "sleep",
    "sort",
    "split",
    "stat",
    "strings",
    "stty",
    "su",
    "sum",
    "sync",
    "sysctl",
    "tac",
    "tail",
    "tar",
    "tee",
    "test",
    "time",
    "timeout",
    "top",
    "touch",
    "tr",
    "traceroute",
    "tree",
    "true",
    "truncate",
    "tty",
    "udhcpc",
    "umount",
    "uname",
    "unexpand",
    "uniq",
    "unix2dos",
    "unlink",
    "unlzma",
    "unshare",
    "unxz",
    "unzip",
    "uptime",
    "usleep",
    "uudecode",
    "uuencode",
    "vi",
    "vlock",
    "watch",
    "wc",
    "wget",
    "which",
    "who",
    "whoami",
    "xargs",
    "xxd",
    "xzcat",
    "yes",
    "zcat",
];

/// Where the files of Alpine, Debian, Ubuntu and busybox lie. `/opt`, `/srv` and `/usr/local/bin`
/// are there and empty: alpine-baselayout; Debian policy 9.1.2.
const SYSTEM_DIRS: &[&str] = &[
    "/bin/",
    "/boot/",
    "/dev/",
    "/etc/",
    "/home/",
    "/lib/",
    "/lib32/",
    "/lib64/",
    "/libx32/",
    "/media/",
    "/mnt/",
    "/proc/",
    "/root/",
    "/run/",
    "/sbin/",
    "/sys/",
    "/tmp/",
    "/usr/bin/",
    "/usr/games/",
    "/usr/include/",
    "/usr/lib/",
    "/usr/lib32/",
    "/usr/lib64/",
    "/usr/libexec/",
    "/usr/libx32/",
    "/usr/local/etc/",
    "/usr/local/lib/",
    "/usr/local/libexec/",
    "/usr/local/share/",
    "/usr/sbin/",
    "/usr/share/",
    "/usr/src/",
    "/var/",
];
/// Where images lay files whose vendors use all of the standard directories, and Go's `/go`.
const OPEN_DIRS: &[&str] = &[
    "/afs/", "/bin/", "/boot/", "/dev/", "/etc/", "/go/", "/home/", "/lib/", "/lib32/", "/lib64/",
    "/libx32/", "/local/", "/media/", "/mnt/", "/opt/", "/proc/", "/root/", "/run/", "/sbin/",
    "/srv/", "/sys/", "/tmp/", "/usr/", "/var/",
];

/// Applets of busybox's `defconfig` that Alpine leaves out or keeps in a package of their own: networking
/// daemons and clients, `runit`, and the tools of a system that boots. docker-library's busybox and the
/// debug images of distroless are built from it. A name too many here lets a finding be missed; one too
/// few would be a false one.
#[rustfmt::skip] // a table
const DEFCONFIG_TOOLS: &[&str] = &[
    "acpid", "add-shell", "adjtimex", "ar", "blkdiscard", "blkid", "blockdev", "bootchartd", "brctl",
    "chat", "chattr", "chpst", "chrt", "chvt", "conspy", "cttyhack", "deallocvt", "depmod", "devmem",
    "dhcprelay", "dnsd", "dpkg", "dpkg-deb", "dumpkmap", "dumpleases", "ed", "eject", "envdir",
    "envuidgid", "ether-wake", "fakeidentd", "fatattr", "fbset", "fbsplash", "fdflush", "fdformat",
    "fdisk", "fgconsole", "findfs", "freeramdisk", "fsck", "fsck.minix", "fsfreeze", "fstrim", "ftpd",
    "ftpget", "ftpput", "getconf", "hdparm", "hexedit", "httpd", "hush", "hwclock", "i2cdetect",
    "i2cdump", "i2cget", "i2cset", "i2ctransfer", "ifdown", "ifenslave", "ifplugd", "ifup", "inetd",
    "init", "insmod", "ipaddr", "ipcrm", "iplink", "ipneigh", "iproute", "iprule", "iptunnel",
    "kbd_mode", "killall5", "klogd", "last", "linux32", "linux64", "linuxrc", "loadfont", "loadkmap",
    "logname", "logread", "losetup", "lpd", "lpq", "lpr", "lsattr", "lsmod", "lspci", "lsscsi", "lsusb",
    "lzop", "makedevs", "makemime", "man", "mdev", "mesg", "microcom", "mim", "mkdosfs", "mke2fs",
    "mkfs.ext2", "mkfs.minix", "mkfs.vfat", "mkpasswd", "mkswap", "modinfo", "modprobe", "mt", "nameif",
    "nanddump", "nandwrite", "nbd-client", "nmeter", "openvt", "partprobe", "patch", "pipe_progress",
    "pivot_root", "popmaildir", "powertop", "raidautorun", "rdate", "rdev", "readahead", "readprofile",
    "reformime", "remove-shell", "resize", "resume", "rpm", "rpm2cpio", "rtcwake", "run-init",
    "run-parts", "runlevel", "runsv", "runsvdir", "rx", "script", "scriptreplay", "seedrng", "sendmail",
    "setarch", "setconsole", "setfattr", "setfont", "setkeycodes", "setlogcons", "setpriv", "setserial",
    "setuidgid", "showkey", "slattach", "smemcap", "softlimit", "ssl_client", "start-stop-daemon", "sulogin",
    "svc", "svlogd", "svok", "swapoff", "swapon", "switch_root", "syslogd", "taskset", "tc", "tcpsvd",
    "telnet", "telnetd", "tftp", "tftpd", "traceroute6", "ts", "ttysize", "tunctl", "tune2fs",
    "ubiattach", "ubidetach", "ubimkvol", "ubirename", "ubirmvol", "ubirsvol", "ubiupdatevol",
    "udhcpc6", "udhcpd", "udpsvd", "uevent", "unlzop", "unxz", "users", "vconfig", "volname", "w",
    "wall", "watchdog", "whois", "xz", "zcip",
];

/// All that docker-library's busybox and the debug images of distroless can have.
const FULL_BUSYBOX_TOOLS: &[&str] = &{
    let mut all = [""; BUSYBOX_TOOLS.len() + DEFCONFIG_TOOLS.len()];
    let mut i = 0;
    while i < BUSYBOX_TOOLS.len() {
        all[i] = BUSYBOX_TOOLS[i];
        i += 1;
    }
    let mut j = 0;
    while j < DEFCONFIG_TOOLS.len() {
        all[i + j] = DEFCONFIG_TOOLS[j];
        j += 1;
    }
    all
};

/// `alpine`: busybox, musl, `ca-certificates-bundle`; no zoneinfo.
const ALPINE: BaseImage = BaseImage {
    name: "alpine",
    libc: Libc::Musl,
    shell: Some(ShellKind::BusyboxAsh),
    minimal: false,
    ca_bundle: Some(true),
    zoneinfo: Some(false),
    user: None,
    users: &[
        ("root", 0),
        ("bin", 1),
        ("daemon", 2),
        ("adm", 3),
        ("lp", 4),
        ("sync", 5),
        ("shutdown", 6),
        ("halt", 7),
        ("mail", 8),
        ("operator", 11),
        ("games", 12),
        ("ftp", 21),
        ("guest", 405),
        ("nobody", 65534),
    ],
    tools: ALPINE_TOOLS,
    tools_complete: true,
    go_toolchain: false,
    env: PATH_ENV,
    workdir: None,
    entrypoint: &[],
    cmd: &["/bin/sh"],
    system_dirs: SYSTEM_DIRS,
};
static ALPINE_IMAGE: BaseImage = ALPINE;

const ALPINE_TOOLS: &[&str] = &{
    // The applets, then what other packages of the base image bring.
    let more = ["apk", "getconf", "getent", "iconv", "ldconfig", "ldd", "scanelf", "ssl_client"];
    let mut all = [""; BUSYBOX_TOOLS.len() + 8];
    let mut i = 0;
    while i < BUSYBOX_TOOLS.len() {
        all[i] = BUSYBOX_TOOLS[i];
        i += 1;
    }
    let mut j = 0;
    while j < more.len() {
        all[i + j] = more[j];
        j += 1;
    }
    all
};

/// `busybox` by C library; the plain tag is glibc's.
const BUSYBOX: BaseImage = BaseImage {
    name: "busybox",
    libc: Libc::Glibc(None),
    shell: Some(ShellKind::BusyboxAsh),
    minimal: false,
    ca_bundle: Some(false),
    zoneinfo: Some(false),
    user: None,
    users: &[
        ("root", 0),
        ("daemon", 1),
        ("bin", 2),
        ("sys", 3),
        ("sync", 4),
        ("mail", 8),
        ("www-data", 33),
        ("operator", 37),
        ("nobody", 65534),
    ],
    tools: FULL_BUSYBOX_TOOLS,
    tools_complete: true,
    go_toolchain: false,
    env: PATH_ENV,
    workdir: None,
    entrypoint: &[],
    cmd: &["sh"],
    system_dirs: SYSTEM_DIRS,
};
static BUSYBOX_GLIBC: BaseImage = BUSYBOX;
static BUSYBOX_MUSL: BaseImage = BaseImage { libc: Libc::Musl, ..BUSYBOX };

/// What coreutils, dash, grep, sed and their like bring to Debian's and Ubuntu's smallest images.
const DEBIAN_TOOLS: &[&str] = &[
    "[",
    "apt",
    "apt-get",
    "awk",
    "base64",
    "basename",
    "bash",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cmp",
    "comm",
    "cp",
    "cut",
    "dash",
    "date",
    "dd",
    "df",
    "diff",
    "dirname",
    "dpkg",
    "du",
    "echo",
    "egrep",
    "env",
    "expr",
    "false",
    "fgrep",
    "find",
    "flock",
    "getent",
    "grep",
    "groupadd",
    "gunzip",
    "gzip",
    "head",
    "hostname",
    "id",
    "install",
    "ldconfig",
    "ldd",
    "ln",
    "login",
    "ls",
    "md5sum",
    "mkdir",
    "mktemp",
    "mount",
    "mv",
    "nice",
    "nohup",
    "nproc",
    "od",
    "passwd",
    "perl",
    "printenv",
    "printf",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "split",
    "stat",
    "stty",
    "su",
    "sync",
    "tac",
    "tail",
    "tar",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "umount",
    "uname",
    "uniq",
    "unshare",
    "useradd",
    "usermod",
    "wc",
    "which",
    "whoami",
    "xargs",
    "yes",
];
const DEBIAN_USERS: &[(&str, u32)] = &[
    ("root", 0),
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("sync", 4),
    ("games", 5),
    ("man", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("proxy", 13),
    ("www-data", 33),
    ("backup", 34),
    ("list", 38),
    ("irc", 39),
    ("_apt", 42),
    ("nobody", 65534),
];

/// `debian` and `debian:*-slim`: no CA bundle; tzdata is there.
const DEBIAN: BaseImage = BaseImage {
    name: "debian",
    libc: Libc::Glibc(None),
    shell: Some(ShellKind::Dash),
    minimal: false,
    ca_bundle: Some(false),
    zoneinfo: Some(true),
    user: None,
    users: DEBIAN_USERS,
    tools: DEBIAN_TOOLS,
    tools_complete: false,
    go_toolchain: false,
    env: PATH_ENV,
    workdir: None,
    entrypoint: &[],
    cmd: &["bash"],
    system_dirs: SYSTEM_DIRS,
};
static DEBIAN_IMAGES: [BaseImage; 4] =
    [DEBIAN, glibc(DEBIAN, 31), glibc(DEBIAN, 36), glibc(DEBIAN, 41)];

/// `ubuntu`: neither CA bundle nor zoneinfo.
const UBUNTU: BaseImage =
    BaseImage { name: "ubuntu", zoneinfo: Some(false), cmd: &["/bin/bash"], ..DEBIAN };
const UBUNTU_2404_USERS: &[(&str, u32)] = &[
    ("root", 0),
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("sync", 4),
    ("games", 5),
    ("man", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("proxy", 13),
    ("www-data", 33),
    ("backup", 34),
    ("list", 38),
    ("irc", 39),
    ("_apt", 42),
    ("nobody", 65534),
    ("ubuntu", 1000),
];
static UBUNTU_IMAGES: [BaseImage; 4] = [
    UBUNTU,
    glibc(UBUNTU, 31),
    glibc(UBUNTU, 35),
    BaseImage { users: UBUNTU_2404_USERS, ..glibc(UBUNTU, 39) },
];

const GO_PATH: &str =
    "/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `golang` on Debian (buildpack-deps:scm with a C compiler) and on Alpine. Since 1.21 it sets
/// GOTOOLCHAIN=local, so that a newer `go` line in go.mod fails instead of fetching a toolchain.
static GOLANG_DEBIAN: BaseImage = BaseImage {
    name: "golang",
    ca_bundle: Some(true),
    go_toolchain: true,
    tools: &["bash", "curl", "g++", "gcc", "git", "go", "gofmt", "make", "perl", "sh", "wget"],
    env: &[("PATH", GO_PATH), ("GOTOOLCHAIN", "local"), ("GOPATH", "/go")],
    workdir: Some("/go"),
    system_dirs: OPEN_DIRS,
    ..DEBIAN
};
static GOLANG_ALPINE: BaseImage = BaseImage {
    name: "golang (alpine)",
    go_toolchain: true,
    tools: &["go", "gofmt", "sh", "wget"],
    tools_complete: false,
    env: &[("PATH", GO_PATH), ("GOTOOLCHAIN", "local"), ("GOPATH", "/go")],
    workdir: Some("/go"),
    system_dirs: OPEN_DIRS,
    ..ALPINE
};

/// Red Hat's universal base images.
const UBI: BaseImage = BaseImage {
    name: "ubi",
    libc: Libc::Glibc(None),
    shell: Some(ShellKind::Bash),
    minimal: false,
    ca_bundle: Some(true),
    zoneinfo: None,
    user: None,
    users: &[("root", 0), ("bin", 1), ("daemon", 2), ("nobody", 65534)],
    tools: &["bash", "cat", "curl", "grep", "ls", "rpm", "sed", "sh", "sleep"],
    tools_complete: false,
    go_toolchain: false,
    env: PATH_ENV,
    workdir: None,
    entrypoint: &[],
    cmd: &["/bin/bash"],
    system_dirs: OPEN_DIRS,
};
const UBI_MINIMAL: BaseImage = BaseImage { name: "ubi-minimal", ..UBI };
const UBI_MICRO: BaseImage = BaseImage {
    name: "ubi-micro",
    ca_bundle: None,
    tools: &["bash", "cat", "ls", "sh", "sleep"],
    ..UBI
};
static UBI_IMAGES: [[BaseImage; 3]; 3] = [
    [glibc(UBI, 28), glibc(UBI_MINIMAL, 28), glibc(UBI_MICRO, 28)],
    [glibc(UBI, 34), glibc(UBI_MINIMAL, 34), glibc(UBI_MICRO, 34)],
    [glibc(UBI, 39), glibc(UBI_MINIMAL, 39), glibc(UBI_MICRO, 39)],
];

const AMAZON: BaseImage = BaseImage { name: "amazonlinux", ..UBI };
static AMAZON_2: BaseImage = glibc(AMAZON, 26);
static AMAZON_2023: BaseImage = glibc(AMAZON, 34);

/// Chainguard's `static`: passwd, CA bundle, zoneinfo; the user is a number in the configuration.
static CHAINGUARD_STATIC: BaseImage = BaseImage {
    name: "chainguard/static",
    user: Some("65532"),
    users: &[("root", 0), ("nonroot", 65532)],
    ..STATIC
};
static GLIBC_DYNAMIC: BaseImage = BaseImage {
    name: "chainguard/glibc-dynamic",
    zoneinfo: None,
    libc: Libc::Glibc(None),
    tools: &["ldconfig"],
    user: Some("65532"),
    users: &[("root", 0), ("nonroot", 65532)],
    system_dirs: RUNTIME_DIRS,
    ..STATIC
};
const WOLFI: BaseImage = BaseImage {
    name: "chainguard/wolfi-base",
    zoneinfo: None,
    libc: Libc::Glibc(None),
    users: &[("root", 0), ("nonroot", 65532)],
    tools_complete: false,
    cmd: &["/bin/sh", "-l"],
    ..ALPINE
};
static WOLFI_BASE: BaseImage = WOLFI;
static CHAINGUARD_GO: BaseImage = BaseImage {
    name: "chainguard/go",
    go_toolchain: true,
    entrypoint: &["/usr/bin/go"],
    cmd: &["help"],
    ..WOLFI
};

/// A reference in its parts: `host/path/name:tag@digest`.
struct Reference<'a> {
    /// Everything before the tag, without the registry's host.
    path: &'a str,
    /// The registry's host, when written.
    host: Option<&'a str>,
    tag: &'a str,
}

fn reference(image: &str) -> Option<Reference<'_>> {
    if image.contains('$') || image.len() > 512 {
        return None;
    }
    let name = image.split('@').next()?;
    let after_slash = name.rfind('/').map_or(0, |i| i + 1);
    let (path, tag) = match name.get(after_slash..)?.find(':') {
        Some(i) => (name.get(..after_slash + i)?, name.get(after_slash + i + 1..)?),
        None => (name, ""),
    };
    // The first part is a host when it could be no user's name: distribution/reference.
    let (host, path) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        _ => (None, path),
    };
    Some(Reference { path, host, tag })
}

/// The part of an official image's path that names it: `golang`, `library/golang`,
/// `docker.io/library/golang`, a mirror's `host/library/golang` or `host/golang`.
fn official<'a>(reference: &Reference<'a>) -> Option<&'a str> {
    match reference.path.rsplit_once('/') {
        None => Some(reference.path),
        Some((prefix, name)) => {
            let library = prefix == "library"
                || prefix.ends_with("/library")
                // public.ecr.aws/docker/library/NAME is covered above; proxies often drop `library`.
                || (reference.host.is_some() && matches!(prefix, "dockerhub" | "docker.io" | "docker"));
            library.then_some(name)
        }
    }
}

/// What is known of an image reference; `None` when it is not in the table.
pub fn lookup(image: &str) -> Option<&'static BaseImage> {
    if image == "scratch" {
        return Some(&SCRATCH);
    }
    let reference = reference(image)?;
    distroless(&reference)
        .or_else(|| chainguard(&reference))
        .or_else(|| red_hat(&reference))
        .or_else(|| official(&reference).and_then(|name| by_name(name, reference.tag)))
}

fn by_name(name: &str, tag: &str) -> Option<&'static BaseImage> {
    match name {
        "alpine" => Some(&ALPINE_IMAGE),
        "busybox" => match tag.rsplit('-').next() {
            Some("musl") => Some(&BUSYBOX_MUSL),
            Some("uclibc") => None,
            _ => Some(&BUSYBOX_GLIBC),
        },
        "debian" => DEBIAN_IMAGES.get(match debian_release(tag) {
            Some(11) => 1,
            Some(12) => 2,
            Some(13) => 3,
            _ => 0,
        }),
        "ubuntu" => UBUNTU_IMAGES.get(match tag.split('-').next().unwrap_or(tag) {
            "20.04" | "focal" => 1,
            "22.04" | "jammy" => 2,
            "24.04" | "noble" => 3,
            _ => 0,
        }),
        "golang" => {
            if tag.contains("windowsservercore") || tag.contains("nanoserver") {
                None
            } else if tag.contains("alpine") {
                Some(&GOLANG_ALPINE)
            } else {
                Some(&GOLANG_DEBIAN)
            }
        }
        "amazonlinux" if tag == "2" || tag.starts_with("2.") => Some(&AMAZON_2),
        "amazonlinux" if tag.is_empty() || tag.starts_with("2023") || tag == "latest" => {
            Some(&AMAZON_2023)
        }
        _ => None,
    }
}

/// Debian's release from a tag such as `12`, `12.8-slim`, `bookworm-20240904-slim`.
fn debian_release(tag: &str) -> Option<u16> {
    match tag.split(['-', '.']).next()? {
        "11" | "bullseye" => Some(11),
        "12" | "bookworm" => Some(12),
        "13" | "trixie" => Some(13),
        _ => None,
    }
}

fn distroless(reference: &Reference<'_>) -> Option<&'static BaseImage> {
    let (prefix, name) = reference.path.rsplit_once('/')?;
    if prefix.rsplit('/').next() != Some("distroless") {
        return None;
    }
    let (name, release) = match name.rsplit_once("-debian") {
        Some((name, "11")) => (name, 1),
        Some((name, "12")) => (name, 2),
        Some((name, "13")) => (name, 3),
        // Debian 9 and 10 are gone; their glibc is not in the table.
        Some(_) => return None,
        None => (name, 0),
    };
    // java17, java-base, nodejs22: the number is the runtime's.
    let family = name.trim_end_matches("-base").trim_end_matches(|c: char| c.is_ascii_digit());
    let (_, images) = DISTROLESS.iter().find(|(known, _)| {
        *known == name || (known.trim_end_matches('3') == family && name != "base")
    })?;
    let (nonroot, debug) = (reference.tag.contains("nonroot"), reference.tag.contains("debug"));
    images.get(release)?.get(usize::from(nonroot) + 2 * usize::from(debug))
}

fn chainguard(reference: &Reference<'_>) -> Option<&'static BaseImage> {
    let (prefix, name) = reference.path.rsplit_once('/')?;
    let known = match reference.host {
        // cgr.dev/ORGANIZATION/NAME
        Some("cgr.dev") => true,
        _ => prefix
            .split('/')
            .any(|part| matches!(part, "chainguard" | "chainguard-images" | "wolfi-dev")),
    };
    if !known {
        return None;
    }
    let dev = reference.tag.ends_with("-dev");
    match name {
        // The -dev variants add busybox and apk.
        "static" | "glibc-dynamic" if dev => Some(&WOLFI_BASE),
        "static" => Some(&CHAINGUARD_STATIC),
        "glibc-dynamic" => Some(&GLIBC_DYNAMIC),
        "wolfi-base" => Some(&WOLFI_BASE),
        "go" => Some(&CHAINGUARD_GO),
        _ => None,
    }
}

fn red_hat(reference: &Reference<'_>) -> Option<&'static BaseImage> {
    // registry.access.redhat.com/ubi9/ubi-minimal, .../ubi9-minimal, docker.io/redhat/ubi9-micro.
    let mut parts = reference.path.rsplit('/');
    let name = parts.next()?;
    let parent = parts.next();
    let release = |text: &str| match text.strip_prefix("ubi")?.split('-').next()? {
        "8" => Some(0usize),
        "9" => Some(1),
        "10" => Some(2),
        _ => None,
    };
    let release = release(name).or_else(|| parent.and_then(release))?;
    let kind = match name.split_once('-').map(|(_, kind)| kind) {
        None | Some("init") => 0,
        Some("minimal") => 1,
        Some("micro") => 2,
        Some(_) => return None,
    };
    if !name.starts_with("ubi") {
        return None;
    }
    UBI_IMAGES.get(release)?.get(kind)
}

/// The Go version that a builder's tag names: `golang:1.22-alpine` -> 1.22.
pub fn go_tag(image: &str) -> Option<GoVersion> {
    let reference = reference(image)?;
    let name = reference.path.rsplit('/').next()?;
    if !matches!(name, "golang" | "go" | "go-toolset" | "golang-fips" | "oracle-golang") {
        return None;
    }
    let number = reference.tag.split('-').next()?;
    GoVersion::parse(number).filter(|version| version.minor > 0)
}
