import { randomInt } from 'node:crypto'
import type { Random } from '../../mesh/base/random.ts'

/** Cryptographically strong: ids, tokens and nonces are drawn from it too. */
export const systemRandom: Random = { below: (bound) => randomInt(bound) }
