import { networkInterfaces } from 'node:os'

/** Of this machine, but for those that mean nothing without the name of a link. */
export function localAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .filter((address) => !/^fe[89ab]/i.test(address))
}
