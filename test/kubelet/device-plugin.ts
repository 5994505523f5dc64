// A device plugin of the kubelet, as NVIDIA's is one: it offers GPUs from a table and says in a container's environment which it got.
import { access, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  type ChannelCredentials,
  credentials,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { waitUntil } from '../bed/child.ts'

/** Where a kubelet looks for plugins, whatever its own folder is. */
const folder = '/var/lib/kubelet/device-plugins'
const resource = 'nvidia.com/gpu'

export interface DevicePlugin extends AsyncDisposable {
  /** A broken one stays in the node's capacity and is not to be had. */
  readonly setHealthy: (id: string, healthy: boolean) => void
}

interface Device {
  readonly ID: string
  readonly health: 'Healthy' | 'Unhealthy'
}

interface Constructors {
  readonly v1beta1: { readonly Registration: ServiceClientConstructor; readonly DevicePlugin: ServiceClientConstructor }
}

const { v1beta1 } = loadPackageDefinition(
  loadSync(join(import.meta.dirname, 'device-plugin.proto'), { keepCase: true }),
) as unknown as Constructors

/** Offers devices of these ids to the kubelet of this machine, which must run; it does not register again with one that was restarted. */
export async function startDevicePlugin(ids: readonly string[]): Promise<DevicePlugin> {
  const devices = new Map<string, Device>(ids.map((ID) => [ID, { ID, health: 'Healthy' }]))
  const listeners = new Set<ServerWritableStream<unknown, { devices: Device[] }>>()
  const tell = (stream: ServerWritableStream<unknown, { devices: Device[] }>) =>
    stream.write({ devices: [...devices.values()] })

  const implementation: UntypedServiceImplementation = {
    GetDevicePluginOptions: (_call: unknown, answer: (error: null, value: object) => void) => answer(null, {}),
    ListAndWatch: (stream: ServerWritableStream<unknown, { devices: Device[] }>) => {
      listeners.add(stream)
      stream.on('cancelled', () => listeners.delete(stream))
      tell(stream)
    },
    Allocate: (
      { request }: { readonly request: { readonly container_requests: readonly { device_ids: readonly string[] }[] } },
      answer: (error: null, value: object) => void,
    ) => {
      const given = request.container_requests.map(({ device_ids: had }) => ({
        envs: { NVIDIA_VISIBLE_DEVICES: had.join(',') },
      }))
      answer(null, { container_responses: given })
    },
  }
  const server = new Server()
  server.addService(v1beta1.DevicePlugin.service, implementation)
  const endpoint = 'gpu-commons-test.sock'
  await rm(join(folder, endpoint), { force: true })
  await promisify(server.bindAsync.bind(server))(`unix://${folder}/${endpoint}`, ServerCredentials.createInsecure())
  await register(endpoint)
  return {
    setHealthy: (id, healthy) => {
      devices.set(id, { ID: id, health: healthy ? 'Healthy' : 'Unhealthy' })
      listeners.forEach(tell)
    },
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  }
}

async function register(endpoint: string): Promise<void> {
  const socket = join(folder, 'kubelet.sock')
  const isThere = () =>
    access(socket).then(
      () => true as const,
      () => undefined,
    )
  await waitUntil(isThere, { what: `${socket}, which the kubelet makes`, seconds: 60 })
  const insecure: ChannelCredentials = credentials.createInsecure()
  const kubelet = new v1beta1.Registration(`unix://${socket}`, insecure)
  const call = kubelet['Register'] as (request: object, answer: (error: Error | null) => void) => void
  try {
    await promisify(call.bind(kubelet))({ version: 'v1beta1', endpoint, resource_name: resource, options: {} })
  } finally {
    kubelet.close()
  }
}
