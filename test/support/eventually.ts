const patienceMs = 15_000
const pauseMs = 20

/** Tries until it does not throw; gives up, with the last reason, after `withinMs`. */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  withinMs = patienceMs,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}
