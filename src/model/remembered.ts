/**
 * Reads every object once: objects are immutable, so a view of one stays true, and rules ask for the
 * views of the whole catalog many times a second. Forgotten together with the object. The same goes
 * for lists of objects, which stay the same list until one of them changes.
 */
export function remembered<Source extends object, View extends object>(
  read: (source: Source) => View,
): (source: Source) => View {
  const views = new WeakMap<Source, View>()
  return (source) => {
    const known = views.get(source)
    if (known !== undefined) return known
    const view = read(source)
    views.set(source, view)
    return view
  }
}
