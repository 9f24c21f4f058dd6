import type { ContainerSettings, ContainerSpec, Mount } from './container-spec.ts'

/** What Swarm's templates can name. */
export interface TemplateFacts {
  readonly Service: {
    readonly ID: string
    readonly Name: string
    readonly Labels: Readonly<Record<string, string>>
  }
  readonly Node: {
    readonly ID: string
    readonly Hostname: string
    readonly Platform: { readonly Architecture: string; readonly OS: string }
  }
  readonly Task: { readonly ID: string; readonly Name: string; readonly Slot: string }
}

export type Expanded =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'malformed'; readonly problem: string }

/** Go's template, as far as Swarm's users write it: fields, `index`, `join`, quoted words. */
export function expandTemplate(template: string, facts: TemplateFacts): Expanded {
  let text = ''
  let rest = template
  for (;;) {
    const open = rest.indexOf('{{')
    if (open < 0) return { kind: 'text', text: text + rest }
    const close = rest.indexOf('}}', open)
    if (close < 0) return malformed(template, 'an action is not closed')
    const action = rest.slice(open + 2, close)
    const value = evaluate(action.replace(/^- | -$/g, '').trim(), facts)
    if (value === null) return malformed(template, `{{${action}}} names nothing known`)
    text += trimmedBefore(rest.slice(0, open), action) + shown(value)
    rest = trimmedAfter(rest.slice(close + 2), action)
  }
}

/** Where Swarm expands templates: environment, hostname and mounts. */
export function expandContainer<Spec extends ContainerSettings & Pick<ContainerSpec, 'Env'>>(
  spec: Spec,
  facts: TemplateFacts,
): { readonly kind: 'spec'; readonly spec: Spec } | Extract<Expanded, { kind: 'malformed' }> {
  const problems: string[] = []
  const expand = (text: string): string => {
    const expanded = expandTemplate(text, facts)
    if (expanded.kind === 'text') return expanded.text
    problems.push(expanded.problem)
    return text
  }
  const result = {
    ...spec,
    ...(spec.Env !== undefined && { Env: spec.Env.map(expand) }),
    ...(spec.Hostname !== undefined && { Hostname: expand(spec.Hostname) }),
    ...(spec.Mounts !== undefined && {
      Mounts: spec.Mounts.map((mount) => expandMount(mount, expand)),
    }),
  }
  const [problem] = problems
  return problem === undefined ? { kind: 'spec', spec: result } : { kind: 'malformed', problem }
}

/** Why a text can never be expanded; null when it can. */
export function templateProblem(text: string): string | null {
  const expanded = expandTemplate(text, anyFacts)
  return expanded.kind === 'malformed' ? expanded.problem : null
}

const anyFacts: TemplateFacts = {
  Service: { ID: '', Name: '', Labels: {} },
  Node: { ID: '', Hostname: '', Platform: { Architecture: '', OS: '' } },
  Task: { ID: '', Name: '', Slot: '' },
}

function expandMount(mount: Mount, expand: (text: string) => string): Mount {
  const { Source, Target, VolumeOptions } = mount
  return {
    ...mount,
    Target: expand(Target),
    ...(Source !== undefined && { Source: expand(Source) }),
    ...(VolumeOptions !== undefined && {
      VolumeOptions: {
        ...VolumeOptions,
        ...(VolumeOptions.Labels !== undefined && {
          Labels: mapValues(VolumeOptions.Labels, expand),
        }),
        ...(VolumeOptions.DriverConfig !== undefined && {
          DriverConfig: {
            ...VolumeOptions.DriverConfig,
            Options: mapValues(VolumeOptions.DriverConfig.Options ?? {}, expand),
          },
        }),
      },
    }),
  }
}

const mapValues = (
  map: Readonly<Record<string, string>>,
  change: (text: string) => string,
): Record<string, string> =>
  Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]))

type Value = string | Readonly<Record<string, string>>

const token = /\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[^\s"`]+)/y

function evaluate(action: string, facts: TemplateFacts): Value | null {
  const words: string[] = []
  token.lastIndex = 0
  for (let match = token.exec(action); match !== null; match = token.exec(action)) {
    words.push(match[1] ?? '')
  }
  const [first = '', ...others] = words
  const operands = (first === 'index' || first === 'join' ? others : words).map((word) =>
    operand(word, facts),
  )
  if (operands.includes(null)) return null
  const [left, ...right] = operands as Value[]
  if (left === undefined) return null
  if (first === 'index') return member(left, right)
  if (first === 'join') return joined(left, right)
  return right.length === 0 ? left : null
}

function operand(word: string, facts: TemplateFacts): Value | null {
  if (word.startsWith('`')) return word.slice(1, -1)
  if (word.startsWith('"')) return unquoted(word)
  return word.startsWith('.') ? field(word.slice(1).split('.'), facts) : null
}

function unquoted(word: string): string | null {
  try {
    return String(JSON.parse(word))
  } catch {
    return null
  }
}

function field(path: readonly string[], facts: TemplateFacts): Value | null {
  let at: unknown = facts
  for (const [depth, name] of path.entries()) {
    if (typeof at !== 'object' || at === null) return null
    // A label that a service does not have is empty, as in Go; a field that there is not is a fault.
    if (!Object.hasOwn(at, name)) return at === facts.Service.Labels && depth === 2 ? '' : null
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  if (typeof at === 'string') return at
  return at === facts.Service.Labels ? facts.Service.Labels : null
}

function member(map: Value, keys: readonly Value[]): Value | null {
  const [key] = keys
  if (typeof map === 'string' || typeof key !== 'string' || keys.length !== 1) return null
  return Object.hasOwn(map, key) ? (map[key] ?? '') : ''
}

function joined(separator: Value, parts: readonly Value[]): Value | null {
  const texts = [separator, ...parts].filter((part) => typeof part === 'string')
  return texts.length === parts.length + 1 ? texts.slice(1).join(texts[0]) : null
}

/** A map as Go prints it. */
function shown(value: Value): string {
  if (typeof value === 'string') return value
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return `map[${entries.map(([key, text]) => `${key}:${text}`).join(' ')}]`
}

const trimmedBefore = (text: string, action: string): string =>
  action.startsWith('- ') ? text.trimEnd() : text

const trimmedAfter = (text: string, action: string): string =>
  action.endsWith(' -') ? text.trimStart() : text

const malformed = (
  template: string,
  because: string,
): Extract<Expanded, { kind: 'malformed' }> => ({
  kind: 'malformed',
  problem: `template ${JSON.stringify(template)}: ${because}`,
})
