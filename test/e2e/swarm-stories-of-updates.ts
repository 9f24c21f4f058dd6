import type { Precision } from '../support/swarm-look.ts'
import type { ServiceWish } from '../support/swarm-spec.ts'
import type { Story } from '../support/swarm-stage.ts'
import { fails, failsLater, finishes } from './swarm-stories.ts'

/** So long that the failure of one task is known before the next one is replaced. */
const delayMs = 2_000
/** The same for a task that runs before it fails. */
const slowly = { monitorMs: 3_000, delayMs: 4_000 }
const runs = ['sleep', '3600']

/** How services change. They leave the nodes as they are. */
export const updateStories: readonly Story[] = [
  changed('updated stop-first', { replicas: 3 }, { version: 2 }),
  changed('updated start-first', { replicas: 3, update: { order: 'start-first' } }, { version: 2 }),
  changed('updated two at a time', { replicas: 4, update: { parallelism: 2 } }, { version: 2 }),
  changed('updated all at once', { replicas: 4, update: { parallelism: 0 } }, { version: 2 }),
  changed('updated with a delay', { replicas: 2, update: { delayMs } }, { version: 2 }),
  changed('updated and scaled up at once', { replicas: 2 }, { version: 2, replicas: 4 }),
  changed('updated and scaled down at once', { replicas: 4 }, { version: 2, replicas: 2 }),
  changed('updated without replicas', { replicas: 0 }, { version: 2 }),
  changed('global and updated', { isGlobal: true }, { version: 2 }),
  changed('forced', { replicas: 2 }, { force: 1 }),
  changed('another label', { replicas: 2 }, { labels: { colour: 'green' } }),
  changed('another update policy', { replicas: 2 }, { update: { parallelism: 2 } }),
  changed(
    'another constraint that all meet',
    { replicas: 2 },
    { constraints: ['node.labels.x!=y'] },
  ),
  changed(
    'moved by its constraint',
    { replicas: 2, constraints: ['node.hostname==n2'] },
    { constraints: ['node.hostname==n3'] },
  ),
  changed('another restart policy', { replicas: 2 }, { restart: { on: 'on-failure' } }),
  changed(
    'mended after it failed for good',
    { replicas: 2, command: fails, restart: { on: 'none' } },
    { version: 2, command: runs },
  ),
  changed(
    'updated after it finished',
    { replicas: 2, command: finishes, restart: { on: 'none' } },
    { version: 2 },
  ),

  failing('failing update pauses', { replicas: 3, update: { onFailure: 'pause', delayMs } }),
  failing('failing update goes on', { replicas: 2, update: { onFailure: 'continue', delayMs } }),
  failing('failing update rolls back', {
    replicas: 3,
    update: { onFailure: 'rollback', delayMs },
  }),
  failing(
    'failing update start-first pauses',
    { replicas: 3, update: { onFailure: 'pause', order: 'start-first', ...slowly } },
    failsLater,
  ),
  failing(
    'failing update start-first rolls back',
    { replicas: 3, update: { onFailure: 'rollback', order: 'start-first', ...slowly } },
    failsLater,
  ),
  failing('failing update within its ratio', {
    replicas: 2,
    update: { onFailure: 'pause', ratio: 1, delayMs },
  }),
  failing('failing update beyond its ratio', {
    replicas: 4,
    update: { onFailure: 'pause', ratio: 0.4, delayMs },
  }),
  failing('failing update of a global service pauses', {
    isGlobal: true,
    update: { onFailure: 'pause', delayMs },
  }),
  failing('failing update of a global service rolls back', {
    isGlobal: true,
    update: { onFailure: 'rollback', delayMs },
  }),
  {
    name: 'mended after an update paused',
    precision: { slots: false },
    play: async (stage) => {
      await stage.create({ replicas: 3, restart: { on: 'none' }, update: { delayMs } })
      await stage.look('created')
      await stage.update({ version: 2, command: fails })
      await stage.look('failed')
      await stage.update({ version: 3, command: runs })
      await stage.look('mended')
    },
  },
  {
    name: 'rolled back by hand, and forward again',
    play: async (stage) => {
      await stage.create({ replicas: 2 })
      await stage.look('created')
      await stage.update({ version: 2 })
      await stage.look('updated')
      await stage.rollBack()
      await stage.look('rolled back')
      await stage.rollBack()
      await stage.look('forward again')
    },
  },
  {
    name: 'rolled back by hand from a pause',
    precision: { slots: false },
    play: async (stage) => {
      await stage.create({ replicas: 3, restart: { on: 'none' }, update: { delayMs } })
      await stage.look('created')
      await stage.update({ version: 2, command: fails })
      await stage.look('failed')
      await stage.rollBack()
      await stage.look('rolled back')
    },
  },
  {
    name: 'rolled back by hand to what fails',
    precision: { slots: false },
    play: async (stage) => {
      const rollback = { delayMs } as const
      await stage.create({ replicas: 2, command: fails, restart: { on: 'none' }, rollback })
      await stage.look('created')
      await stage.update({ version: 2, command: runs })
      await stage.look('updated')
      await stage.rollBack()
      await stage.look('rolled back')
    },
  },
  {
    name: 'rolled back by hand to another number of replicas',
    play: async (stage) => {
      await stage.create({ replicas: 1 })
      await stage.look('created')
      await stage.update({ replicas: 3 })
      await stage.look('scaled')
      await stage.rollBack()
      await stage.look('rolled back')
    },
  },
  {
    name: 'another update while one runs',
    precision: { slots: false },
    play: async (stage) => {
      await stage.create({ replicas: 3, update: { delayMs: 10_000 } })
      await stage.look('created')
      await stage.update({ version: 2 })
      await stage.until('one task is replaced', ({ versions }) => versions === 'V=1 x2, V=2')
      await stage.update({ version: 3, update: {} })
      await stage.look('updated')
    },
  },
  {
    name: 'start-first where every node is full',
    precision: { slots: false },
    play: async (stage) => {
      await stage.create({ replicas: 3, maxPerNode: 1, update: { order: 'start-first' } })
      await stage.look('created')
      await stage.update({ version: 2 })
      await stage.look('updated', { orAfterMs: 15_000 })
    },
  },
  {
    name: 'an update that fits no node, with a deadline',
    precision: { slots: false },
    play: async (stage) => {
      const labels = { 'mesh.update.deadline': '3s' }
      await stage.create({ replicas: 2, labels })
      await stage.look('created')
      await stage.update({ version: 2, constraints: ['node.labels.x==y'] })
      await stage.look('stuck', { orAfterMs: 15_000 })
    },
  },
]

function changed(name: string, wish: ServiceWish, change: ServiceWish): Story {
  return {
    name,
    precision: { placed: placedAs(wish), slots: change.replicas === undefined },
    play: async (stage) => {
      await stage.create(wish)
      await stage.look('created')
      await stage.update(change)
      await stage.look('updated')
    },
  }
}

/** Beside what is still there to be replaced, a task is placed as chance has it. */
function placedAs({ constraints, update }: ServiceWish): NonNullable<Precision['placed']> {
  if (constraints !== undefined) return 'by name'
  return update?.order === 'start-first' ? 'in total' : 'unnamed'
}

function failing(name: string, wish: ServiceWish, command: readonly string[] = fails): Story {
  return {
    name,
    precision: { placed: 'in total', slots: false },
    play: async (stage) => {
      await stage.create({ ...wish, restart: { on: 'none' } })
      await stage.look('created')
      await stage.update({ version: 2, command })
      await stage.look('failed')
    },
  }
}
