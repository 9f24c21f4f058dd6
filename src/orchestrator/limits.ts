/** What one pass proposes at most: a transaction stays small, and the next pass does the rest. */
export const changesPerPass = 500
