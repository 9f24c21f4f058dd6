import type { NodeId } from '../../mesh/base/ids.ts'
import type { Json } from '../../mesh/base/json.ts'
import type { CatalogReader, Change } from '../../mesh/catalog/types.ts'

const kind = 'leadership'
const id = 'leadership'

/**
 * Makes a pass depend on the last one that was written, whoever wrote it: every pass changes one
 * object of the catalog, from the version that it knew. What another leader, or an earlier pass of
 * unknown fate, wrote meanwhile refuses it as a whole; without that both would fill the same places.
 */
export function sealPass(
  changes: readonly Change[],
  catalog: CatalogReader,
  { leader, term }: { readonly leader: NodeId | null; readonly term: number },
): Change[] {
  const body: Json = { Leader: leader, Term: term }
  const object = { kind, id, claims: [], body }
  const known = catalog.get(kind, id)
  const seal: Change =
    known === undefined
      ? { kind: 'create', object }
      : { kind: 'update', object, ifVersion: known.version }
  return [seal, ...changes]
}
