/**
 * A map that never changes: `with` and `without` answer with a new map that shares all but one path
 * with the old one. So a snapshot of the service table is a reference, taken while writes go on.
 * It is a trie over the key's hash, sixteen children a branch, a handful of entries a leaf.
 */
export class PersistentMap<V> {
  readonly size: number
  readonly #root: TrieNode<V>

  private constructor(root: TrieNode<V>, size: number) {
    this.#root = root
    this.size = size
  }

  static empty<V>(): PersistentMap<V> {
    return new PersistentMap<V>({ entries: [] }, 0)
  }

  get(key: string): V | undefined {
    return this.#find(key, hashOf(key))?.value
  }

  with(key: string, value: V): PersistentMap<V> {
    const hash = hashOf(key)
    const grown = this.#find(key, hash) === undefined ? 1 : 0
    return new PersistentMap(insert(this.#root, { key, value, hash }, 0), this.size + grown)
  }

  without(key: string): PersistentMap<V> {
    const hash = hashOf(key)
    if (this.#find(key, hash) === undefined) return this
    return new PersistentMap(removeFrom(this.#root, { key, hash }, 0), this.size - 1)
  }

  /** In the order of hashes: the same for equal maps only while leaves agree; sort before showing. */
  *values(): Generator<V> {
    for (const entry of entriesOf(this.#root)) yield entry.value
  }

  #find(key: string, hash: number): TrieEntry<V> | undefined {
    let node = this.#root
    for (let rest = hash; 'children' in node; rest >>>= bitsPerLevel) {
      node = node.children[rest & levelMask] ?? nothing
    }
    for (const entry of node.entries) if (entry.hash === hash && entry.key === key) return entry
    return undefined
  }
}

interface TrieEntry<V> {
  readonly key: string
  readonly value: V
  readonly hash: number
}

interface Leaf<V> {
  readonly entries: readonly TrieEntry<V>[]
}

interface Branch<V> {
  readonly children: readonly (TrieNode<V> | undefined)[]
}

type TrieNode<V> = Leaf<V> | Branch<V>

const bitsPerLevel = 4
const levelMask = 15
const levelsMax = 8
const leafEntriesMax = 8
const nothing: Leaf<never> = { entries: [] }

/** FNV-1a: keys are ids and short paths, all of our own making or bounded in length. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  // FNV's low bits are its weakest and the trie reads those first.
  return (hash ^ (hash >>> 15)) >>> 0
}

function insert<V>(node: TrieNode<V>, entry: TrieEntry<V>, level: number): TrieNode<V> {
  if ('entries' in node) return insertIntoLeaf(node, entry, level)
  const slot = (entry.hash >>> (level * bitsPerLevel)) & levelMask
  const child = node.children[slot] ?? nothing
  return { children: node.children.with(slot, insert(child, entry, level + 1)) }
}

function insertIntoLeaf<V>(leaf: Leaf<V>, entry: TrieEntry<V>, level: number): TrieNode<V> {
  const entries = [...leaf.entries]
  const at = entries.findIndex(({ hash, key }) => hash === entry.hash && key === entry.key)
  if (at >= 0) entries.splice(at, 1)
  entries.push(entry)
  if (entries.length <= leafEntriesMax || level === levelsMax) return { entries }
  const children = Array.from({ length: levelMask + 1 }, (): TrieNode<V> | undefined => undefined)
  let branch: TrieNode<V> = { children }
  for (const moved of entries) branch = insert(branch, moved, level)
  return branch
}

function removeFrom<V>(
  node: TrieNode<V>,
  gone: Pick<TrieEntry<V>, 'key' | 'hash'>,
  level: number,
): TrieNode<V> {
  if ('entries' in node) return { entries: node.entries.filter(({ key }) => key !== gone.key) }
  const slot = (gone.hash >>> (level * bitsPerLevel)) & levelMask
  const child = node.children[slot]
  if (child === undefined) return node
  return { children: node.children.with(slot, removeFrom(child, gone, level + 1)) }
}

function* entriesOf<V>(node: TrieNode<V>): Generator<TrieEntry<V>> {
  if ('entries' in node) {
    yield* node.entries
    return
  }
  for (const child of node.children) if (child !== undefined) yield* entriesOf(child)
}
