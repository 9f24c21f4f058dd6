/** Resolves with the name of the first of these signals that this process gets. */
export function firstSignal(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const hear = (signal: NodeJS.Signals): void => {
      for (const each of signals) process.off(each, hear)
      resolve(signal)
    }
    for (const signal of signals) process.on(signal, hear)
  })
}
