export type * from '../catalog/policy.ts'
