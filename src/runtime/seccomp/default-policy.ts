import type { SeccompProfile, SeccompRule } from "./profile.js";

/**
 * Docker's default policy (the engine's reference page on seccomp; its facts as of API 1.47): what is not named ends with EPERM. Refused are above all calls that
 * make namespaces, mount, load code into the kernel, set clocks, keep keys, or look into other processes, unless a capability of the container allows them.
 */
export const DEFAULT_PROFILE: SeccompProfile = {
  defaultAction: "errno",
  defaultErrno: 1,
  architectures: [],
  flags: ["spec-allow"],
  rules: [
    ...allowed(
      // Files: open, read, write, look at, change, remove.
      "open openat openat2 creat close close_range read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek",
      "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64 access faccessat faccessat2 readlink readlinkat",
      "chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 fchownat lchown lchown32 umask truncate truncate64 ftruncate ftruncate64 fallocate",
      "mkdir mkdirat rmdir rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mknod mknodat chdir fchdir getcwd getdents getdents64",
      "utime utimes utimensat utimensat_time64 futimesat fcntl fcntl64 flock dup dup2 dup3 ioctl sync syncfs fsync fdatasync sync_file_range readahead cachestat",
      "fadvise64 fadvise64_64 copy_file_range sendfile sendfile64 splice tee vmsplice name_to_handle_at fanotify_mark",
      "getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr flistxattr listxattrat",
      "removexattr lremovexattr fremovexattr removexattrat inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
      // Memory.
      "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall mseal remap_file_pages memfd_create memfd_secret",
      "membarrier pkey_alloc pkey_free pkey_mprotect map_shadow_stack shmat shmctl shmdt shmget semctl semget semop semtimedop semtimedop_time64",
      "msgctl msgget msgrcv msgsnd ipc mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64",
      // Processes and threads; clone by its flags, below.
      "fork vfork execve execveat exit exit_group wait4 waitid waitpid kill tkill tgkill pidfd_open pidfd_send_signal process_mrelease",
      "getpid getppid gettid getpgid getpgrp setpgid getsid setsid getpriority setpriority getrlimit ugetrlimit setrlimit prlimit64 getrusage times",
      "prctl seccomp landlock_add_rule landlock_create_ruleset landlock_restrict_self capget capset rseq set_tid_address set_robust_list get_robust_list",
      "set_thread_area get_thread_area futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue restart_syscall uretprobe getcpu",
      "sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam sched_getscheduler sched_setscheduler",
      "sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 ioprio_get ioprio_set",
      // Identity.
      "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getgroups getgroups32 getresuid getresuid32 getresgid getresgid32",
      "setuid setuid32 setgid setgid32 setgroups setgroups32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32",
      "setfsuid setfsuid32 setfsgid setfsgid32",
      // Signals, time, waiting.
      "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo",
      "sigaltstack sigprocmask sigreturn signalfd signalfd4 pause alarm nanosleep clock_nanosleep clock_nanosleep_time64 getitimer setitimer",
      "time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_adjtime clock_adjtime64 adjtimex",
      "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64",
      "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64",
      "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old",
      "epoll_pwait epoll_pwait2 eventfd eventfd2 pipe pipe2 io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64",
      // Network; socket by its family, below.
      "socketpair socketcall bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt",
      "send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64",
      // The machine.
      "uname sysinfo getrandom",
    ),
    // With the patches of Linux 4.8 a traced program cannot leave its filter.
    ...allowed("ptrace process_vm_readv process_vm_writev"),
    // Any family but AF_VSOCK: it leads past the network namespace.
    { names: ["socket"], action: "allow", errno: 0, conditions: [{ index: 0, operator: "ne", value: 40n, second: 0n }], when: {} },
    // PER_LINUX, PER_LINUX32, each with UNAME26, and the question.
    ...[0n, 8n, 0x20000n, 0x20008n, 0xffffffffn].map((value): SeccompRule => {
      return { names: ["personality"], action: "allow", errno: 0, conditions: [{ index: 0, operator: "eq", value, second: 0n }], when: {} };
    }),
    on(["amd64", "x32"], "arch_prctl"),
    on(["amd64", "x32", "x86"], "modify_ldt"),
    on(["arm", "arm64"], "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
    on(["riscv64"], "riscv_flush_icache riscv_hwprobe"),
    withCapability("DAC_READ_SEARCH", "open_by_handle_at"),
    withCapability(
      "SYS_ADMIN",
      "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns statmount syslog umount umount2 unshare",
    ),
    withCapability("SYS_BOOT", "reboot"),
    withCapability("SYS_CHROOT", "chroot"),
    withCapability("SYS_MODULE", "delete_module init_module finit_module"),
    withCapability("SYS_PACCT", "acct"),
    withCapability("SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    withCapability("SYS_RAWIO", "iopl ioperm"),
    withCapability("SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    withCapability("SYS_TTY_CONFIG", "vhangup"),
    withCapability("SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    withCapability("SYSLOG", "syslog"),
    withCapability("BPF", "bpf"),
    withCapability("PERFMON", "perf_event_open"),
    // Threads and processes, but no namespace (CLONE_NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWCGROUP).
    {
      names: ["clone"],
      action: "allow",
      errno: 0,
      conditions: [{ index: 0, operator: "masked-eq", value: 0x7e020000n, second: 0n }],
      when: { withoutCapabilities: ["SYS_ADMIN"] },
    },
    // Its flags are behind a pointer, which no filter can follow: libraries that are told ENOSYS use clone instead.
    { names: ["clone3"], action: "errno", errno: 38, conditions: [], when: { withoutCapabilities: ["SYS_ADMIN"] } },
  ],
};

function allowed(...lines: readonly string[]): readonly SeccompRule[] {
  return lines.map((line) => ({ names: line.split(" "), action: "allow", errno: 0, conditions: [], when: {} }));
}

function on(architectures: readonly string[], names: string): SeccompRule {
  return { names: names.split(" "), action: "allow", errno: 0, conditions: [], when: { architectures } };
}

function withCapability(capability: string, names: string): SeccompRule {
  return { names: names.split(" "), action: "allow", errno: 0, conditions: [], when: { capabilities: [capability] } };
}
