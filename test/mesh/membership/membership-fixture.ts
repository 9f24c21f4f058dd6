import { nodeId, type NodeId } from '../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { Membership } from '../../../mesh/membership/membership.ts'
import type {
  Effect,
  Input,
  MessageBody,
  Rumour,
  SwimMessage,
} from '../../../mesh/membership/message.ts'
import { lanDefaults, type MembershipOptions } from '../../../mesh/membership/options.ts'
import type { Member, MemberMeta } from '../../../mesh/membership/types.ts'
import { swimSizes } from '../../../mesh/wire/swim-message.ts'

export const idOf = (name: string): NodeId => nodeId(name.padEnd(25, '0'))
export const metaOf = (name: string): MemberMeta => ({
  name,
  gossipAddress: `${name}:7946`,
  controlAddress: `${name}:2377`,
  dataPathAddress: `${name}:4789`,
})
export const aliveOf = (name: string, incarnation: number): Rumour => ({
  kind: 'alive',
  node: idOf(name),
  incarnation,
  meta: metaOf(name),
})

export const suspectOf = (name: string, incarnation: number, by: string): Rumour => ({
  kind: 'suspect',
  node: idOf(name),
  incarnation,
  by: idOf(by),
})

/** One member of the rules, stepped by hand; `a` is itself, incarnation 100. */
export class OneMember {
  readonly membership: Membership
  nowMs = 1000
  readonly effects: Effect[] = []
  #unanswered: SwimMessage[] = []

  constructor(options: Partial<MembershipOptions> = {}) {
    this.membership = new Membership({
      self: idOf('a'),
      meta: metaOf('a'),
      incarnation: 100,
      random: new SeededRandom(7),
      sizes: swimSizes,
      options: { ...lanDefaults, ...options },
    })
  }

  step(input: Input): Effect[] {
    const effects = this.membership.step(input, this.nowMs)
    this.effects.push(...effects)
    this.#unanswered.push(...sentIn(effects).filter(({ kind }) => kind === 'ping'))
    return effects
  }

  join(...names: string[]): void {
    this.step({
      kind: 'join',
      seeds: names.map((name) => ({ id: idOf(name), meta: metaOf(name) })),
    })
  }

  /** Ticks of 25 ms; every ping to a name in `answering` is acked by the next one. */
  pass(ms: number, answering: readonly string[] = []): void {
    for (let passed = 0; passed < ms; passed += 25) {
      const pings = this.#unanswered
      this.#unanswered = []
      for (const ping of pings) {
        const name = answering.find((name) => ping.kind === 'ping' && ping.target === idOf(name))
        if (name === undefined || ping.kind !== 'ping') continue
        this.hear(name, { kind: 'ack', seq: ping.seq, subject: idOf(name) })
      }
      this.nowMs += 25
      this.step({ kind: 'tick' })
    }
  }

  hear(
    name: string,
    body: MessageBody,
    rumours: readonly Rumour[] = [],
    incarnation = 1,
  ): Effect[] {
    const sender = { id: idOf(name), incarnation, meta: metaOf(name), health: 0 }
    const message: SwimMessage = { ...body, sender, rumours }
    return this.step({ kind: 'packet', from: `${name}:7946`, message })
  }

  get(name: string): Member | undefined {
    return this.membership.members().find(({ id }) => id === idOf(name))
  }

  state(name: string): string {
    return this.get(name)?.state ?? 'unknown'
  }
}

export function sentIn(effects: readonly Effect[]): (SwimMessage & { readonly to: string })[] {
  return effects.flatMap((effect) =>
    effect.kind === 'send' ? [{ ...effect.message, to: effect.to }] : [],
  )
}
