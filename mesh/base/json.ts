/** What JSON can carry. Objects of the catalog and values of records are of this type. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [key: string]: Json | undefined
}
