import type { StoredObject } from '../../mesh/catalog/types.ts'

/**
 * Reads every object once: objects are immutable, so a view of one stays true, and rules ask for the
 * views of the whole catalog many times a second. Forgotten together with the object.
 */
export function remembered<View extends object>(
  read: (object: StoredObject) => View,
): (object: StoredObject) => View {
  const views = new WeakMap<StoredObject, View>()
  return (object) => {
    const known = views.get(object)
    if (known !== undefined) return known
    const view = read(object)
    views.set(object, view)
    return view
  }
}
