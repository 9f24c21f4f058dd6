import type { Precision } from '../support/swarm-look.ts'
import type { Scene } from '../support/swarm-scene.ts'

const onThird = ['node.hostname==n3']
const onFast = ['node.labels.disk==fast']
const notOnFast = ['node.labels.disk!=fast']
/** Nothing is left to chance: there is one place for each task. */
const exact: Precision = { placed: 'by name' }
/** Slots are. */
const byNode: Precision = { placed: 'by name', slots: false }

/** What happens to nodes; told one after the other, when nothing else goes on. */
export const scenes: readonly Scene[] = [
  {
    name: 'a node is drained and taken back',
    services: {
      'six replicas': { wish: { replicas: 6 }, precision: byNode },
      'one that has to be there': { wish: { constraints: onThird }, precision: exact },
      'a global one': { wish: { isGlobal: true }, precision: exact },
      'start-first': { wish: { replicas: 3, update: { order: 'start-first' } } },
      'never restarted': { wish: { replicas: 3, restart: { on: 'none' } } },
      'one a node': { wish: { replicas: 3, maxPerNode: 1 }, precision: byNode },
    },
    acts: [
      { name: 'drained', play: (nodes) => nodes.update('n3', { availability: 'drain' }) },
      { name: 'active', play: (nodes) => nodes.update('n3', { availability: 'active' }) },
    ],
  },
  {
    name: 'a node is paused',
    services: {
      'scaled up meanwhile': { wish: { replicas: 3 }, precision: byNode },
      'updated meanwhile': { wish: { replicas: 3 } },
      'global and updated meanwhile': { wish: { isGlobal: true }, precision: exact },
      'one that has to be there': {
        wish: { replicas: 0, constraints: onThird },
        precision: exact,
      },
    },
    acts: [
      { name: 'paused', play: (nodes) => nodes.update('n3', { availability: 'pause' }) },
      {
        name: 'changed meanwhile',
        changes: {
          'scaled up meanwhile': { replicas: 7 },
          'updated meanwhile': { version: 2 },
          'global and updated meanwhile': { version: 2 },
          'one that has to be there': { replicas: 1 },
        },
        orAfterMs: 15_000,
      },
      {
        name: 'active',
        play: (nodes) => nodes.update('n3', { availability: 'active' }),
        orAfterMs: 15_000,
      },
    ],
  },
  {
    name: 'a label comes and goes',
    services: {
      'where it is': { wish: { replicas: 2, constraints: onFast }, precision: byNode },
      'where it is not': {
        wish: { replicas: 2, constraints: [...notOnFast, 'node.hostname!=n1'] },
        precision: byNode,
      },
      'global where it is': { wish: { isGlobal: true, constraints: onFast }, precision: exact },
      'global where it is not': {
        wish: { isGlobal: true, constraints: notOnFast },
        precision: exact,
      },
      'never restarted': {
        wish: { restart: { on: 'none' }, constraints: onFast },
        precision: exact,
      },
    },
    acts: [
      { name: 'on n2', play: (nodes) => nodes.update('n2', { labels: { disk: 'fast' } }) },
      { name: 'on n3 too', play: (nodes) => nodes.update('n3', { labels: { disk: 'fast' } }) },
      { name: 'on n3 only', play: (nodes) => nodes.update('n2', { labels: {} }) },
      { name: 'on none', play: (nodes) => nodes.update('n3', { labels: {} }) },
    ],
  },
  {
    name: 'a node is lost and comes back',
    services: {
      'six replicas': { wish: { replicas: 6 }, precision: byNode },
      'one that has to be there': { wish: { constraints: onThird }, precision: exact },
      'a global one': { wish: { isGlobal: true }, precision: exact },
      'never restarted': { wish: { replicas: 3, restart: { on: 'none' } } },
      'one a node': { wish: { replicas: 3, maxPerNode: 1 }, precision: byNode },
    },
    acts: [
      { name: 'lost', play: (nodes) => nodes.kill('n3') },
      { name: 'back', play: (nodes) => nodes.restart('n3') },
    ],
  },
]
