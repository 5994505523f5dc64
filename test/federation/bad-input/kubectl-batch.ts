// Many manifests in one kubectl: to start it costs more than to check a manifest.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Kubectl } from '../../bed/kubectl.ts'

/** What kubectl said of each manifest, by its place in the list; empty where it took it. */
export type Words = readonly string[]

export interface Batch {
  readonly kubectl: Kubectl
  /** Made for this batch, and emptied first. */
  readonly dir: string
  /** Such as `create` or `apply`. */
  readonly verb: readonly string[]
  /** As YAML; JSON is YAML too. */
  readonly manifests: readonly string[]
}

export async function kubectlBatch({ kubectl, dir, verb, manifests }: Batch): Promise<Words> {
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir, { recursive: true })
  const files = manifests.map((_, index) => join(dir, `${String(index).padStart(3, '0')}.yaml`))
  for (const [index, file] of files.entries()) await writeFile(file, manifests[index] ?? '')

  const said = await complaints(kubectl, [...verb, '-f', dir])
  if (files.length === 1) return [said]

  const paragraphs = said.split(/\n(?=Error |error|unable to )/)
  const words = files.map((file) => paragraphs.filter((paragraph) => paragraph.includes(file)).join('\n'))
  // A single error among many is told without its file.
  if (said !== '' && words.every((word) => word === '')) throw new Error(said)
  return words
}

/** What kubectl says when it fails; empty where it does not. */
export async function complaints(kubectl: Kubectl, args: readonly string[]): Promise<string> {
  try {
    await kubectl(args)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
