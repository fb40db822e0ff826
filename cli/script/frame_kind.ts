import type { Frame } from "./stack_profile.ts";

/** Where a function runs. `unknown`: perf knew neither a file nor a function at its address. */
export type FrameKind = "kernel" | "library" | "jit" | "user" | "inlined" | "unknown";

/**
 * On processors with 64 bits, where the upper half is the kernel's. The last addresses are small
 * numbers below 0, which no function is at, and the vsyscall page, which programs call.
 */
const KERNEL_ADDRESSES = { first: 0xffff_0000_0000_0000n, last: 0xffff_ffff_feff_ffffn };

/** Says whether code at an address is the kernel's. */
export function isKernelAddress(address: bigint): boolean {
  return address >= KERNEL_ADDRESSES.first && address <= KERNEL_ADDRESSES.last;
}

/** Finds where a function runs: by its address if that decides, or by the mapping that it is in. */
export function frameKind({ symbol, dso, kernel }: Frame): FrameKind {
  if (dso === "inlined") return "inlined";
  if (kernel) return "kernel";
  if (USER_PAGES.test(dso)) return "library";
  if (JIT.test(dso)) return "jit";
  if (dso === "" || dso === "[unknown]") {
    return symbol === "" || symbol === "[unknown]" ? "unknown" : "user";
  }
  if (KERNEL.test(dso)) return "kernel";
  return /\.so(\.[^/]*)?( \(deleted\))?$/.test(dso) ? "library" : "user";
}

/** Code that the kernel puts into every process. */
const USER_PAGES = /^\[(vdso|vdso32|vdsox32|vdso64|vsyscall|vectors|sigpage)\]/;

/**
 * Memory that no file is behind, and the files that stand for such memory: perf maps, the shared
 * objects of jitdump, memfd, System V's shared memory, Android's ashmem.
 */
const JIT = new RegExp(
  [
    String.raw`/perf-\d+\.map$`,
    String.raw`/jitted-\d+-\d+\.so$`,
    String.raw`^\[JIT\] tid \d+`,
    String.raw`^\[anon[:_\]]`,
    String.raw`^//anon`,
    String.raw`^/?anon_hugepage( \(deleted\))?$`,
    String.raw`^/memfd:`,
    String.raw`^/SYSV[0-9a-f]{8}`,
    String.raw`^/dev/zero( \(deleted\))?$`,
    String.raw`^/dev/ashmem/`,
  ].join("|"),
);

/**
 * The kernel, its modules, BPF programs and what the kernel writes for itself at run time. What is
 * in brackets is a module, unless it is one of the names that the kernel gives to a process's own
 * mappings.
 */
const KERNEL = new RegExp(
  [
    String.raw`^\[(?!(heap|uprobes|stack[^\]]*)\])`,
    String.raw`\.ko(\.(gz|xz|zst|debug))*$`,
    String.raw`(^|/)vmlinu[xz][^/]*$`,
    String.raw`(^|/)(proc/)?kcore$`,
    String.raw`^bpf_(prog|trampoline|dispatcher|func|struct_ops)_`,
    String.raw`^(ftrace_trampoline|kprobe_(opt)?insn_page|__entry_\w+_trampoline)`,
  ].join("|"),
);
