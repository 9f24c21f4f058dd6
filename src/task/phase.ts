/**
 * Where the task is on its way. `creating`, `starting`, `draining`, `stopping` and `removing` wait
 * for the answer to their effect; what is wanted meanwhile is looked at when it comes.
 */
export type Phase =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'creating' }
  /** Its image could not be had; it is tried again. */
  | { readonly kind: 'backing-off' }
  | { readonly kind: 'created' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'settling'; readonly sinceMs: number }
  | { readonly kind: 'running' }
  | { readonly kind: 'draining' }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'over' }
  | { readonly kind: 'removing' }
  | { readonly kind: 'gone' }
