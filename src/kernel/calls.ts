import { getSystemErrorName } from 'node:util'

type Ffi = typeof import('node:ffi')

/**
 * Every native call there is in this house, with its signature. A wrong one here ends the process:
 * this table and the folder around it are the only place to look.
 */
const table = {
  socket: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
  setsockopt: {
    return: 'int32',
    arguments: ['int32', 'int32', 'int32', 'pointer', 'uint32'],
  },
  getsockopt: {
    return: 'int32',
    arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'],
  },
  bind: { return: 'int32', arguments: ['int32', 'pointer', 'uint32'] },
  listen: { return: 'int32', arguments: ['int32', 'int32'] },
  connect: { return: 'int32', arguments: ['int32', 'pointer', 'uint32'] },
  getsockname: { return: 'int32', arguments: ['int32', 'pointer', 'pointer'] },
  getpeername: { return: 'int32', arguments: ['int32', 'pointer', 'pointer'] },
  shutdown: { return: 'int32', arguments: ['int32', 'int32'] },
  close: { return: 'int32', arguments: ['int32'] },
  pipe2: { return: 'int32', arguments: ['pointer', 'int32'] },
  dup3: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
  eventfd: { return: 'int32', arguments: ['uint32', 'int32'] },
  mmap: {
    return: 'pointer',
    arguments: ['pointer', 'uint64', 'int32', 'int32', 'int32', 'int64'],
  },
  madvise: { return: 'int32', arguments: ['pointer', 'uint64', 'int32'] },
  __errno_location: { return: 'pointer', arguments: [] },
} as const

/** `syscall` has as many signatures as calls that glibc has no name for; each wants its own handle. */
const syscalls = {
  setup: { syscall: { return: 'int32', arguments: ['int32', 'uint32', 'pointer'] } },
  register: {
    syscall: { return: 'int32', arguments: ['int32', 'int32', 'uint32', 'pointer', 'uint32'] },
  },
  // The seventh argument is not read while the sixth is null.
  enter: {
    syscall: {
      return: 'int32',
      arguments: ['int32', 'int32', 'uint32', 'uint32', 'uint32', 'pointer'],
    },
  },
} as const

export type Calls = ReturnType<typeof bindCalls>

let bound: Calls | null = null

/** Null where this Node has no `node:ffi`. Bound once a thread: errno is the thread's own. */
export function nativeCalls(): Calls | null {
  const ffi = process.getBuiltinModule('node:ffi') as Ffi | undefined
  if (ffi === undefined) return null
  bound ??= bindCalls(ffi)
  return bound
}

function bindCalls(ffi: Ffi) {
  const libc = ffi.dlopen(null, table).functions
  const where = libc['__errno_location']()
  const errno = new Int32Array(ffi.toArrayBuffer(where, 4, false))
  return {
    ...libc,
    setup: ffi.dlopen(null, syscalls.setup).functions.syscall,
    register: ffi.dlopen(null, syscalls.register).functions.syscall,
    enter: ffi.dlopen(null, syscalls.enter).functions.syscall,
    /** Of the call just made. */
    errno: (): number => errno[0] ?? 0,
    view: (address: bigint, length: number): ArrayBuffer =>
      ffi.toArrayBuffer(address, length, false),
  }
}

export function errorName(errno: number): string {
  return getSystemErrorName(-errno)
}

/** A call that failed, by the kernel's name for why. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  readonly code: string

  constructor(call: string, errno: number) {
    const code = errorName(errno)
    super(`${call}: ${code}`)
    this.code = code
  }
}
