// The owner's rules as a file: how a chart mounts them.
import { readFile } from 'node:fs/promises'
import { loadAll } from 'js-yaml'
import { z } from 'zod'
import { noRules, type OwnerRules, ownerRulesSchema } from '../api/owner-rules.ts'
import { WrongFlags } from '../config.ts'
import { isTimeZone } from '../domain/rules/hours.ts'

const fileSchema = ownerRulesSchema.superRefine(({ hours }, context) => {
  if (!hours || isTimeZone(hours.timeZone)) return
  const message = `${hours.timeZone} is no time zone: name one such as Europe/Berlin or UTC`
  context.addIssue({ code: 'custom', path: ['hours', 'timeZone'], message })
})

/**
 * An agent does not begin with rules that it only half understands.
 * @throws WrongFlags that names the file, the field, and what is wrong with it
 */
export async function readRules(file: string | undefined): Promise<OwnerRules> {
  if (file === undefined) return noRules
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new WrongFlags(`--rules ${file} cannot be read: ${cause.message}`)
  })
  const parsed = fileSchema.safeParse(yamlOf(text, file) ?? {})
  if (parsed.success) return parsed.data as OwnerRules
  throw new WrongFlags(`--rules ${file} is wrong:\n${z.prettifyError(parsed.error)}`)
}

function yamlOf(text: string, file: string): unknown {
  try {
    // Of a file with nothing in it there is none.
    return loadAll(text)[0]
  } catch (error) {
    throw new WrongFlags(`--rules ${file} is no YAML: ${(error as Error).message}`)
  }
}
