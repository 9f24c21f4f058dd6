import { KernelError, type Calls } from './calls.ts'

const readWrite = 3
const privateAnonymous = 0x22
export const sharedPopulated = 0x8001

/** Memory of the kernel's making: it never moves, and no garbage collection knows of it. */
export interface Mapping {
  readonly address: bigint
  readonly buffer: ArrayBuffer
}

export function mapAnonymous(calls: Calls, length: number): Mapping {
  return map(calls, { length, flags: privateAnonymous, fd: -1, offset: 0n })
}

export function map(
  calls: Calls,
  of: {
    readonly length: number
    readonly flags: number
    readonly fd: number
    readonly offset: bigint
  },
): Mapping {
  const { length, flags, fd, offset } = of
  const address = calls.mmap(0n, BigInt(length), readWrite, flags, fd, offset)
  if (BigInt.asIntN(64, address) === -1n) throw new KernelError('mmap', calls.errno())
  return { address, buffer: calls.view(address, length) }
}
