import * as z from 'zod'
import { isId, nodeId, type NodeId } from '../base/ids.ts'
import { decodeJson, encodeJson, type FrameRefused } from './frames.ts'

/** Whether a node is a manager, asked of one that is known to be one. */
export interface IntroductionQuestion {
  readonly node: NodeId
}

export interface IntroductionAnswer {
  readonly isManager: boolean
  /** Of the catalog that says so. */
  readonly index: number
}

const question: z.ZodType<IntroductionQuestion> = z.object({
  node: z
    .string()
    .refine(isId)
    .transform((id) => nodeId(id)),
})

const answer: z.ZodType<IntroductionAnswer> = z.object({
  isManager: z.boolean(),
  index: z.int().nonnegative(),
})

export const encodeQuestion = (value: IntroductionQuestion): Uint8Array => encodeJson(value)

export const decodeQuestion = (bytes: Uint8Array): IntroductionQuestion | FrameRefused =>
  decodeJson(question, bytes)

export const encodeAnswer = (value: IntroductionAnswer): Uint8Array => encodeJson(value)

export const decodeAnswer = (bytes: Uint8Array): IntroductionAnswer | FrameRefused =>
  decodeJson(answer, bytes)
