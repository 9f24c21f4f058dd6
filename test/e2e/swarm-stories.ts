import type { ServiceWish } from '../support/swarm-spec.ts'
import type { Story } from '../support/swarm-stage.ts'

export const fails = ['sh', '-c', 'exit 3']
/** Only once it has been seen to run. */
export const failsLater = ['sh', '-c', 'sleep 1.5; exit 3']
export const finishes = ['true']

/** How services come about, grow, shrink and end. They leave the nodes as they are. */
export const serviceStories: readonly Story[] = [
  created('three replicas are spread', { replicas: 3 }),
  created('no replicas at all', { replicas: 0 }),
  scaled('scaled up', 1, 6),
  scaled('scaled down', 5, 2),
  scaled('scaled to nothing', 3, 0),
  scaled('scaled from nothing', 0, 2),

  created('global on every node', { isGlobal: true }),
  created('global on the workers', { isGlobal: true, constraints: ['node.role==worker'] }),
  created('global where no node fits', { isGlobal: true, constraints: ['node.labels.x==y'] }),

  created('pinned to a host', { replicas: 2, constraints: ['node.hostname==n2'] }),
  created('kept off a host', { replicas: 4, constraints: ['node.hostname!=n2'] }),
  created('two constraints at once', {
    replicas: 2,
    constraints: ['node.role==worker', 'node.labels.zone==b'],
  }),
  created('a constraint that no node meets', { replicas: 2, constraints: ['node.labels.x==y'] }),
  created('a label that must be absent', { replicas: 3, constraints: ['node.labels.x!=y'] }),
  created('one replica a node', { replicas: 3, maxPerNode: 1 }),
  {
    ...created('more replicas than one a node', { replicas: 5, maxPerNode: 1 }),
    precision: { slots: false },
  },
  created('more memory than any node has', { replicas: 2, reserveBytes: 2 ** 50 }),
  created('spread over zones', { replicas: 4, spread: ['node.labels.zone'] }),
  created('spread over a label that nobody has', { replicas: 3, spread: ['node.labels.x'] }),

  created('failing and never restarted', {
    replicas: 2,
    command: fails,
    restart: { on: 'none' },
  }),
  created('finished and never restarted', {
    replicas: 2,
    command: finishes,
    restart: { on: 'none' },
  }),
  created('finished and restarted on failure only', {
    replicas: 2,
    command: finishes,
    restart: { on: 'on-failure' },
  }),
  created('failing and restarted twice on failure', {
    replicas: 2,
    command: fails,
    restart: { on: 'on-failure', attempts: 2 },
  }),
  created('failing and restarted once in any case', {
    command: fails,
    restart: { on: 'any', attempts: 1 },
  }),
  created('finished and restarted twice in any case', {
    command: finishes,
    restart: { on: 'any', attempts: 2 },
  }),
  created('global, failing and never restarted', {
    isGlobal: true,
    command: fails,
    restart: { on: 'none' },
  }),
  created('global, failing and restarted once', {
    isGlobal: true,
    command: fails,
    restart: { on: 'any', attempts: 1 },
  }),
  {
    name: 'scaled up after all attempts are used up',
    play: async (stage) => {
      await stage.create({ command: fails, restart: { on: 'any', attempts: 1 } })
      await stage.look('created')
      await stage.update({ replicas: 2 })
      await stage.look('scaled')
    },
  },
]

function created(name: string, wish: ServiceWish): Story {
  const play: Story['play'] = async (stage) => {
    await stage.create(wish)
    await stage.look('created')
  }
  const isPlaced = wish.constraints !== undefined || wish.spread !== undefined
  return { name, play, precision: { placed: isPlaced ? 'by name' : 'unnamed' } }
}

function scaled(name: string, from: number, to: number): Story {
  return {
    name,
    // Which slots go depends on where they were.
    precision: { slots: from <= to },
    play: async (stage) => {
      await stage.create({ replicas: from })
      await stage.look('created')
      await stage.update({ replicas: to })
      await stage.look('scaled')
    },
  }
}
