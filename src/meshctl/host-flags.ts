import { isIP } from 'node:net'
import { usage } from './command-error.ts'
import { type FlagRow, list, type ListChange } from './flag-rows.ts'
import { container } from './spec-path.ts'

/** The spec has lines of /etc/hosts, which may give one address several names. */
export const hostRow: FlagRow = list<string>('--host <name:ip>', 'a line of its /etc/hosts', {
  ...{ at: container('Hosts'), removedBy: '<name[:ip]>' },
  parse: (flag, text) => {
    const { name, address } = parseHost(text)
    if (name !== '' && isIP(address) !== 0) return [`${address} ${name}`]
    throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'write it as db:10.0.0.5')
  },
  merge: mergedHosts,
})

/** Either sign parts them: an IPv6 address is full of colons, and may stand in brackets. */
function parseHost(text: string): { readonly name: string; readonly address: string } {
  const [, name = text, address = ''] = /^([^:=\s]*)[:=](.*)$/.exec(text) ?? []
  return { name, address: address.replace(/^\[(.+)\]$/, '$1') }
}

/** A name without an address is removed from every line. */
function mergedHosts({ before, added, removed }: ListChange<string>): readonly string[] {
  const gone = removed.map(parseHost)
  const left = before.map((line) => {
    const [address = '', ...names] = line.trim().split(/\s+/)
    const isGone = (name: string): boolean =>
      gone.some((one) => one.name === name && (one.address === '' || one.address === address))
    return [address, ...names.filter((name) => !isGone(name))].join(' ')
  })
  return [...new Set([...left.filter((line) => line.includes(' ')), ...added])]
}
