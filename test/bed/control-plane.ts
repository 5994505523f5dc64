/** A real Kubernetes control plane: etcd, kube-apiserver and, if wanted, kube-controller-manager and kube-scheduler. */
import { execFile } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { dump } from 'js-yaml'
import { type BedTool, type Binaries, resolveBinaries, tools } from '../../tools/resolve-binaries.ts'
import { type ApiRequests, type Ask, apiRequests } from './api-requests.ts'
import { type Child, startChild, waitUntil } from './child.ts'
import {
  apiServerArgs,
  controllerManagerArgs,
  etcdArgs,
  type Files,
  filesIn,
  garbageRarely,
  kubeconfigOf,
  schedulerArgs,
  schedulerConfig,
  type User,
  users,
} from './control-plane-parts.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { type Kubectl, kubectlAs } from './kubectl.ts'
import { onFreePorts } from './ports.ts'

export interface ControlPlaneOptions {
  /** Of the cluster in kubeconfigs and messages. */
  readonly name: string
  /** For its logs, keys, kubeconfigs and data; what an earlier one left there goes. */
  readonly dir: string
  /** Makes ServiceAccounts, collects garbage, runs Jobs, empties namespaces. */
  readonly controllerManager: boolean
  readonly scheduler: boolean
  /** Keeps an audit log at level Metadata: the way to count who wrote what. It costs throughput. */
  readonly audit?: boolean
  /** After this long without a sign of life a node is Unknown. */
  readonly nodeGraceSeconds?: number
  /** Environment of its programs, over their own. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * Where it listens, for programs that are not on this machine's loopback, such as pods. Then it also gives itself to them
   * as Service `kubernetes`. Default: 127.0.0.1, and it does not.
   */
  readonly address?: string
  /** Further flags of kube-apiserver. */
  readonly apiServerArgs?: readonly string[]
  /** Default: found by `resolveBinaries`. */
  readonly binaries?: Binaries
  /** Hears what takes long, and which part ended by itself. Default: stderr. */
  readonly report?: (line: string) => void
}

export interface ControlPlane extends AsyncDisposable {
  readonly name: string
  readonly url: string
  readonly port: number
  readonly dir: string
  /** File: the admin's. */
  readonly kubeconfig: string
  /** Files: those of the simulated kubelets and so on, each with a name of its own in the audit log. */
  readonly kubeconfigOf: (user: User) => string
  /** File (PEM): what clients must trust. */
  readonly caFile: string
  /** File (PEM): the key of its certificate, for whoever stands in front of it. */
  readonly serverKeyFile: string
  /** File (PEM): the key with which it signs the tokens of ServiceAccounts. */
  readonly signingKeyFile: string
  /** The admin's. */
  readonly token: string
  readonly auditLog: string
  /** Of etcd: what is written there passes by the API server and its checks. */
  readonly etcdUrl: string
  readonly binaries: Binaries
  /** As admin. */
  readonly kubectl: Kubectl
  /** As admin. */
  readonly ask: Ask
  /** SIGTERM, and soon SIGKILL: open watches break off. */
  readonly stopApiServer: () => Promise<void>
  /** At the same address with the same certificates; resolves when it is ready. */
  readonly startApiServer: () => Promise<void>
  readonly restartApiServer: () => Promise<void>
  /** One more on the same etcd, as in a control plane of several; with the same flags, and a certificate of its own with a P-256 key. */
  readonly addApiServer: (options: AddedOptions) => Promise<AddedApiServer>
  /** When its API server was away: from being stopped until it was ready again. Wall clock, milliseconds. */
  readonly absences: readonly Absence[]
  /** Keeps a copy of all that it has stored; it is away meanwhile. */
  readonly keepState: () => Promise<void>
  /** Has again what it had when the copy was made, as after the restore of a backup. Its controllers go on undisturbed. */
  readonly setBack: () => Promise<void>
}

export interface AddedOptions {
  /** 0 to 19: how much all others come before it where the machine's cores do not suffice. */
  readonly niceness: number
}

export interface AddedApiServer extends AsyncDisposable {
  readonly url: string
  /** File (PEM): what its clients must trust. */
  readonly caFile: string
}

export interface Absence {
  readonly from: number
  readonly to: number
}

/** Starts one and waits until it can be used: the API answers, and pods can be made if there is a controller manager. */
export async function startControlPlane(options: ControlPlaneOptions, signal?: AbortSignal): Promise<ControlPlane> {
  const report = options.report ?? ((line: string) => console.error(line))
  const binaries = options.binaries ?? (await resolveBinaries(tools, { report }))
  const files = filesIn(resolve(options.dir), options.name)
  const site: Site = { options, binaries, files, report, signal, tokens: await prepare(files) }

  await using parts = new AsyncDisposableStack()
  const etcd = parts.use(await startEtcd(site))
  const apiServer = parts.use(await startApiServer(site, etcd.port))
  await writeKubeconfigs(site, apiServer.url)
  await startControllers(site, apiServer.requests.ask, parts)

  const held = parts.move()
  const { kubeconfig, caFile, serverKeyFile, auditLog, dir } = files
  return {
    name: options.name,
    url: apiServer.url,
    port: apiServer.port,
    dir,
    kubeconfig,
    kubeconfigOf: (user) => kubeconfigOf(files, user),
    caFile,
    serverKeyFile,
    signingKeyFile: files.signingKey,
    token: site.tokens.admin,
    auditLog,
    etcdUrl: `http://127.0.0.1:${etcd.port}`,
    binaries,
    kubectl: kubectlAs({ binary: binaries.kubectl, kubeconfig, cacheDir: join(dir, 'kubectl-cache') }),
    ask: apiServer.requests.ask,
    absences: apiServer.absences,
    stopApiServer: apiServer.stop,
    startApiServer: apiServer.start,
    restartApiServer: async () => {
      await apiServer.stop()
      await apiServer.start()
    },
    addApiServer: (added) => addApiServer(site, etcd.port, added),
    keepState: () => withoutEtcd({ etcd, apiServer }, () => copyOver(files.data, files.keptData)),
    setBack: () => withoutEtcd({ etcd, apiServer }, () => copyOver(files.keptData, files.data)),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

interface Site {
  readonly options: ControlPlaneOptions
  readonly binaries: Binaries
  readonly files: Files
  readonly report: (line: string) => void
  readonly signal: AbortSignal | undefined
  readonly tokens: Readonly<Record<User, string>>
}

/** Makes the folder, the keys and the files that the programs read, and gives each user a token. */
async function prepare(files: Files): Promise<Site['tokens']> {
  await mkdir(files.dir, { recursive: true })
  for (const old of await readdir(files.dir)) {
    const isOurs = old.endsWith('.log') || ['etcd', 'etcd-kept', 'kubectl-cache', 'certificates'].includes(old)
    if (isOurs) await rm(join(files.dir, old), { recursive: true, force: true })
  }
  await mkdir(files.certificates)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(files.signingKey, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await writeFile(files.verifyingKey, publicKey.export({ type: 'spki', format: 'pem' }))
  await writeFile(files.auditPolicy, dump(auditPolicy))
  await writeFile(files.schedulerConfig, dump(schedulerConfig(files)))
  const tokens = Object.fromEntries(users.map((user) => [user, randomBytes(24).toString('hex')])) as Record<
    User,
    string
  >
  const lines = users.map((user) => `${tokens[user]},${user},${user},system:masters`)
  await writeFile(files.tokens, `${lines.join('\n')}\n`, { mode: 0o600 })
  return tokens
}

const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
}

async function writeKubeconfigs({ options, files, tokens }: Site, url: string): Promise<void> {
  const ca = await readFile(files.caFile, 'utf8')
  for (const user of users) {
    await writeKubeconfig(kubeconfigOf(files, user), { cluster: options.name, url, ca, user, token: tokens[user] })
  }
}

function launch(site: Site, tool: BedTool, args: readonly string[]): Promise<Child> {
  const { options, binaries, files, report } = site
  return startChild({
    name: `${options.name} ${tool}`,
    command: binaries[tool],
    args,
    log: join(files.dir, `${tool}.log`),
    env: { ...garbageRarely, ...options.env },
    onUnexpectedEnd: (how) =>
      report(`${options.name}: ${tool} ended by itself with ${how}, see ${tool}.log in ${files.dir}`),
  })
}

interface Etcd extends AsyncDisposable {
  readonly port: number
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

async function startEtcd(site: Site): Promise<Etcd> {
  const serve = async (ports: readonly [port: number, peerPort: number]) => {
    const child = await launch(site, 'etcd', etcdArgs(site.files, ...ports))
    // Its own word, not a connection: a stranger who took the port would answer that too.
    const isReady = async () => (await child.output()).includes('ready to serve client requests') || undefined
    try {
      await waitUntil(isReady, { what: 'etcd serves', seconds: 30, signal: site.signal, child })
    } catch (error) {
      await child.kill()
      throw error
    }
    return child
  }
  const first = await onFreePorts(async (...ports) => ({ ports, child: await serve(ports) }))
  let { child } = first
  return {
    port: first.ports[0],
    stop: () => child.stop(),
    start: async () => {
      child = await serve(first.ports)
    },
    [Symbol.asyncDispose]: () => child.kill(),
  }
}

async function withoutEtcd(
  { etcd, apiServer }: { etcd: Etcd; apiServer: ApiServer },
  act: () => Promise<void>,
): Promise<void> {
  await apiServer.stop()
  await etcd.stop()
  await act()
  await etcd.start()
  await apiServer.start()
}

async function copyOver(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await cp(from, to, { recursive: true })
}

interface ApiServer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly requests: ApiRequests
  readonly absences: readonly Absence[]
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

async function startApiServer(site: Site, etcdPort: number): Promise<ApiServer> {
  const flags = (port: number) => [
    ...apiServerArgs(site.files, { ...site.options, port, etcdPort }),
    ...(site.options.apiServerArgs ?? []),
  ]
  const first = await onFreePorts(async (port) => {
    await using starting = new AsyncDisposableStack()
    const child = starting.use(await launch(site, 'kube-apiserver', flags(port)))
    const requests = starting.use(await requestsTo(site, { child, port }))
    await untilReady(site, { child, requests })
    starting.move()
    return { port, child, requests }
  })
  const { port, requests } = first
  let { child } = first
  const absences: Absence[] = []
  let stoppedAt = 0
  return {
    port,
    url: urlOf(site, port),
    requests,
    absences,
    stop: () => {
      stoppedAt = Date.now()
      // Told politely, it waits a minute for its watchers to leave; with a load balancer before it nobody would notice.
      return child.stop(2)
    },
    start: async () => {
      if (child.ended() === undefined) return
      child = await launch(site, 'kube-apiserver', flags(port))
      await untilReady(site, { child, requests })
      absences.push({ from: stoppedAt, to: Date.now() })
    },
    [Symbol.asyncDispose]: async () => {
      await child.kill()
      await requests[Symbol.asyncDispose]()
    },
  }
}

async function addApiServer(site: Site, etcdPort: number, { niceness }: AddedOptions): Promise<AddedApiServer> {
  const { options, binaries, files } = site
  return onFreePorts(async (port) => {
    await using starting = new AsyncDisposableStack()
    const { certificate, key } = await certify(files.dir, { port, address: addressOf(site) })
    const flags = [
      ...apiServerArgs(files, { ...options, port, etcdPort }),
      ...(options.apiServerArgs ?? []),
      `--tls-cert-file=${certificate}`,
      `--tls-private-key-file=${key}`,
    ]
    const child = starting.use(
      await startChild({
        name: `${options.name} further kube-apiserver`,
        command: binaries['kube-apiserver'],
        niceness,
        args: flags,
        log: join(files.dir, `kube-apiserver-${port}.log`),
        env: { ...garbageRarely, ...options.env },
      }),
    )
    const requests = starting.use(
      apiRequests(urlOf(site, port), { ca: await readFile(certificate, 'utf8'), token: site.tokens.admin }),
    )
    await untilReady(site, { child, requests })
    const held = starting.move()
    return { url: urlOf(site, port), caFile: certificate, [Symbol.asyncDispose]: () => held.disposeAsync() }
  })
}

/** The server itself would take an RSA key: one more connection costs it 2 ms of signing with that, and a fortieth of it with this one. */
async function certify(dir: string, { port, address }: { readonly port: number; readonly address: string }) {
  const [certificate, key] = [join(dir, `further-${port}.crt`), join(dir, `further-${port}.key`)]
  const ofKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key]
  const of = ['-subj', `/CN=${address}`, '-addext', `subjectAltName=IP:${address}`, '-days', '30']
  await promisify(execFile)('openssl', ['req', '-x509', ...ofKey, ...of, '-out', certificate])
  return { certificate, key }
}

function addressOf({ options }: Site): string {
  return options.address ?? '127.0.0.1'
}

function urlOf(site: Site, port: number): string {
  return `https://${addressOf(site)}:${port}`
}

/** The server makes its certificate when it starts; a file with both certificates is complete. */
async function requestsTo(site: Site, { child, port }: { child: Child; port: number }): Promise<ApiRequests> {
  const certificates = async () => {
    const text = await readFile(site.files.caFile, 'utf8').catch(() => '')
    return text.split('END CERTIFICATE').length > 2 ? text : undefined
  }
  const ca = await waitUntil(certificates, { what: 'its certificate', seconds: 30, signal: site.signal, child })
  return apiRequests(urlOf(site, port), { ca, token: site.tokens.admin })
}

async function untilReady(site: Site, { child, requests }: { child: Child; requests: ApiRequests }): Promise<void> {
  const isReady = async () => {
    const answer = await requests.ask('/readyz').catch(() => undefined)
    return answer?.status === 200 || undefined
  }
  await waitUntil(isReady, { what: 'its /readyz', seconds: 60, signal: site.signal, child })
}

async function startControllers(site: Site, ask: Ask, parts: AsyncDisposableStack): Promise<void> {
  const { options, files, signal } = site
  if (options.scheduler) parts.use(await launch(site, 'kube-scheduler', schedulerArgs(files)))
  if (!options.controllerManager) return
  const args = controllerManagerArgs(files, options.nodeGraceSeconds ?? 300)
  const child = parts.use(await launch(site, 'kube-controller-manager', args))
  const canMakePods = async () => {
    const { status } = await ask('/api/v1/namespaces/default/serviceaccounts/default')
    return status === 200 || undefined
  }
  await waitUntil(canMakePods, { what: 'the first ServiceAccount', seconds: 60, signal, child })
}
