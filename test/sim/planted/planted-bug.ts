/** A mistake that somebody could make, as a change of one place in the product's text. */
export interface PlantedBug {
  readonly name: string
  readonly file: string
  /** Must stand exactly once in the file. */
  readonly find: string
  readonly replace: string
}
