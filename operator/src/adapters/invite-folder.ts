// An invite as a folder of files: how a chart mounts it, and how it is handed over where there is no chart.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What was given to the owner, as files of one folder: how a chart mounts a Secret. */
export interface InviteFiles {
  readonly hubUrl: string
  readonly hubCa: string
  /** Absent in an agent that has joined, and whose invite was taken away. */
  readonly id: string | undefined
  readonly token: string | undefined
  /** The owner's Ed25519 key in PKCS #8, where the Provider pins it. */
  readonly ownerKey: string | undefined
}

export async function readInvite(folder: string): Promise<InviteFiles> {
  const maybe = async (name: string) => {
    try {
      return (await readFile(join(folder, name), 'utf8')).trim() || undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new Error(`reading the invite in ${folder}`, { cause: error })
    }
  }
  const must = async (name: string) => {
    const text = await maybe(name)
    if (text === undefined) throw new Error(`the invite in ${folder} has no ${name}`)
    return text
  }
  return {
    hubUrl: (await must('hub-url')).replace(/\/+$/, ''),
    hubCa: `${await must('hub-ca.crt')}\n`,
    id: await maybe('id'),
    token: await maybe('token'),
    ownerKey: await maybe('owner-key.pem'),
  }
}

/** Makes the folder. Only its owner can read what is in it. */
export async function writeInvite(
  folder: string,
  { hubUrl, hubCa, id, token }: Pick<InviteFiles, 'hubUrl' | 'hubCa'> & { readonly id: string; readonly token: string },
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // The id last: whoever sees it finds the token of it.
  const files = { 'hub-url': hubUrl, 'hub-ca.crt': hubCa, token, id }
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name)
    await rm(file, { force: true }) // A mode is given to new files only.
    await writeFile(file, `${content.trimEnd()}\n`, { mode: 0o600 })
  }
}
