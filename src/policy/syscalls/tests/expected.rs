//! What becomes of every system call, written down a second time: a rule that is changed must be
//! changed here, too, and a call that the kernel gains must be put somewhere.

/// Allowed with any arguments.
pub(super) const ALLOWED: &str = "
access alarm arch_prctl bind brk capget capset chdir clock_getres clock_gettime
clock_nanosleep close close_range connect copy_file_range dup dup2 dup3 epoll_create1
epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2 execve exit exit_group faccessat
faccessat2 fadvise64 fallocate fchdir fdatasync fgetxattr flistxattr flock fork fstat
fstatfs fsync ftruncate futex getcpu getcwd getdents64 getegid geteuid getgid getgroups
getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresuid getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid
getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self lgetxattr link linkat
listxattr llistxattr lseek lstat madvise membarrier mincore mkdir mkdirat mlock mmap
mprotect mremap msync munlock munmap nanosleep newfstatat pause pidfd_open pidfd_send_signal
pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll pread64 preadv preadv2 pselect6
pwrite64 pwritev pwritev2 read readlink readlinkat readv recvfrom recvmmsg recvmsg rename
renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getparam sched_getscheduler sched_yield select sendfile
set_robust_list set_tid_address setgid setgroups setitimer setpgid setregid setresgid
setresuid setreuid setrlimit setsid setuid shutdown sigaltstack signalfd4 splice
stat statfs statx symlink symlinkat sysinfo tgkill time timer_create timer_delete
timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
times tkill truncate umask uname unlink unlinkat vfork wait4 waitid write writev
";

/// Allowed or not by their arguments; `arguments.rs` has a table of them.
pub(super) const JUDGED: &str = "
chmod clone creat fchmod fchmodat fchmodat2 fcntl ioctl memfd_create open openat personality
prctl prlimit64 sched_setaffinity sched_setscheduler seccomp sendmmsg sendmsg sendto
setpriority setsockopt socket socketpair
";

/// Allowed with a root of its own, refused without.
pub(super) const METADATA: &str = "
chown fchown fchownat fremovexattr fsetxattr futimesat lchown lremovexattr lsetxattr
removexattr setxattr utime utimensat utimes
";

/// Allowed with UNIX sockets of its own, refused without.
pub(super) const LISTENING: &str = "listen";

/// Allowed with UNIX sockets of its own, unknown without.
pub(super) const ACCEPTING: &str = "accept4";

/// Known to be dangerous: EPERM.
pub(super) const REFUSED: &str = "
acct add_key adjtimex bpf chroot clock_adjtime clock_settime delete_module fanotify_init
fanotify_mark finit_module fsconfig fsmount fsopen fspick init_module ioperm iopl kcmp
kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages mknod mknodat
modify_ldt mount mount_setattr move_mount move_pages mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd name_to_handle_at
nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root
process_madvise process_mrelease process_vm_readv process_vm_writev ptrace quotactl
quotactl_fd reboot request_key semctl semget semop semtimedop set_mempolicy
set_mempolicy_home_node setdomainname sethostname setns settimeofday shmat shmctl shmdt
shmget swapoff swapon syslog umount2 unshare userfaultfd vhangup vmsplice
";

/// Nobody needs them, so they are as unknown as those to come: ENOSYS.
pub(super) const UNKNOWN: &str = "
_sysctl accept afs_syscall cachestat clone3 create_module epoll_create epoll_ctl_old
epoll_wait_old eventfd execveat file_getattr file_setattr futex_requeue futex_wait
futex_waitv futex_wake get_kernel_syms get_mempolicy get_robust_list get_thread_area
getdents getpmsg getxattrat io_cancel io_destroy io_getevents io_pgetevents io_setup
io_submit io_uring_enter io_uring_register io_uring_setup ioprio_get ioprio_set listmount
listxattrat lsm_get_self_attr lsm_list_modules lsm_set_self_attr map_shadow_stack
memfd_secret mlock2 mlockall mseal munlockall open_tree_attr openat2 putpmsg query_module
readahead remap_file_pages removexattrat rt_sigqueueinfo rt_tgsigqueueinfo sched_getattr
sched_rr_get_interval sched_setattr sched_setparam security set_thread_area setfsgid
setfsuid setxattrat signalfd statmount sync sync_file_range syncfs sysfs tee tuxcall uprobe
uretprobe uselib ustat vserver
";
