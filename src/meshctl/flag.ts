import { Option } from 'commander'

/** What a command line says, by the names of the flags as docker spells them. */
export class Given {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly #flags: Readonly<Record<string, unknown>>

  constructor(flags: object, env: Readonly<Record<string, string | undefined>>) {
    this.#flags = { ...flags }
    this.env = env
  }

  /** Of a flag with one value; undefined when it is not there, as below. */
  text(name: string): string | undefined {
    return this.#flags[name] as string | undefined
  }

  /** Of a flag that may be there several times. */
  texts(name: string): readonly string[] | undefined {
    return this.#flags[name] as readonly string[] | undefined
  }

  isOn(name: string): boolean | undefined {
    return this.#flags[name] as boolean | undefined
  }

  has(...names: readonly string[]): boolean {
    return names.some((name) => this.#flags[name] !== undefined)
  }

  /** Which flags are there, but for these. */
  others(names: ReadonlySet<string>): readonly string[] {
    return Object.keys(this.#flags).filter((name) => !names.has(name))
  }
}

/** Its value stands under its docker name: for commander `--no-healthcheck` would be a negation. */
class NamedOption extends Option {
  readonly #name: string

  constructor(flags: string, help = '') {
    super(flags, help)
    this.negate = false
    this.#name = (this.long ?? '').slice(2).replace(/=.*/, '')
  }

  override attributeName(): string {
    return this.#name
  }
}

/** A flag with a value. */
export const single = (flags: string, help: string): Option => new NamedOption(flags, help)

/** A flag with a value that may be given several times. */
export const several = (flags: string, help: string): Option =>
  single(flags, help).argParser((value: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    value,
  ])

const words: Readonly<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false }

/** A flag that is on when it is there; `--flag=false`, as Go has it, turns it off. */
export function onOff(flags: string, help: string): readonly Option[] {
  const option = new NamedOption(flags, help)
  const said = Object.entries(words).map(([word, isOn]) =>
    new NamedOption(`${option.long}=${word}`).preset(isOn).hideHelp(),
  )
  return [option, ...said]
}
