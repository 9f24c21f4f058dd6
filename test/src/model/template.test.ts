import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  expandContainer,
  expandTemplate,
  type TemplateFacts,
  templateProblem,
} from '../../../src/model/template.ts'

const facts: TemplateFacts = {
  Service: { ID: 's1', Name: 'web', Labels: { tier: 'gold', 'a.b': 'c' } },
  Node: { ID: 'n1', Hostname: 'alpha', Platform: { Architecture: 'x86_64', OS: 'linux' } },
  Task: { ID: 't1', Name: 'web.2.t1', Slot: '2' },
}

function expanded(text: string): string {
  const result = expandTemplate(text, facts)
  assert.ok(result.kind === 'text', text)
  return result.text
}

test("Swarm's templates are expanded as Go does it", () => {
  const cases: readonly (readonly [string, string])[] = [
    ['plain', 'plain'],
    ['{{.Service.ID}}/{{ .Service.Name }}', 's1/web'],
    ['{{.Node.ID}} {{.Node.Hostname}}', 'n1 alpha'],
    ['{{.Node.Platform.OS}}-{{.Node.Platform.Architecture}}', 'linux-x86_64'],
    ['{{.Task.Name}}:{{.Task.Slot}}:{{.Task.ID}}', 'web.2.t1:2:t1'],
    ['{{.Service.Labels}}', 'map[a.b:c tier:gold]'],
    ['{{.Service.Labels.tier}}{{.Service.Labels.none}}', 'gold'],
    ['{{index .Service.Labels "a.b"}}', 'c'],
    ['{{index .Service.Labels `none`}}', ''],
    ['{{join "-" .Service.Name .Task.Slot}}', 'web-2'],
    ['a {{- .Task.Slot }} b', 'a2 b'],
    ['a {{- .Task.Slot -}} b', 'a2b'],
  ]
  for (const [template, text] of cases) {
    assert.equal(expanded(template), text, template)
  }
})

test('what names nothing is refused, and says where', () => {
  const wrong = [
    '{{.Nobody}}',
    '{{.Service}}',
    '{{.Task.Slot',
    '{{}}',
    '{{env "X"}}',
    '{{index .Task.ID "x"}}',
  ]
  for (const template of wrong) {
    const problem = templateProblem(template)
    assert.ok(problem?.includes(JSON.stringify(template)), template)
  }
  assert.equal(templateProblem('{{.Service.Labels.any}} {{index .Service.Labels "x"}}'), null)
})

test('environment, hostname and mounts are expanded, and nothing else', () => {
  const result = expandContainer(
    {
      Env: ['A={{.Task.Slot}}', 'B'],
      Hostname: '{{.Service.Name}}',
      Dir: '/{{.Task.Slot}}',
      Mounts: [
        {
          Type: 'volume',
          Source: 'data-{{.Task.Slot}}',
          Target: '/{{.Node.Hostname}}',
          VolumeOptions: {
            Labels: { of: '{{.Task.ID}}' },
            DriverConfig: { Name: 'local', Options: { o: '{{.Node.ID}}' } },
          },
        },
      ],
    },
    facts,
  )
  assert.deepEqual(result, {
    kind: 'spec',
    spec: {
      Env: ['A=2', 'B'],
      Hostname: 'web',
      Dir: '/{{.Task.Slot}}',
      Mounts: [
        {
          Type: 'volume',
          Source: 'data-2',
          Target: '/alpha',
          VolumeOptions: {
            Labels: { of: 't1' },
            DriverConfig: { Name: 'local', Options: { o: 'n1' } },
          },
        },
      ],
    },
  })
  const wrong = expandContainer({ Env: ['A={{.Nothing}}'] }, facts)
  assert.equal(wrong.kind, 'malformed')
})
