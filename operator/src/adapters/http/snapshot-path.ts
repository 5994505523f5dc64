// Where a hub shows what its engine knows. A file of its own: who asks for it has no use for a server.

export const SNAPSHOT_PATH = '/debug/snapshot'
/** In place of `Authorization`, which the API server takes out of what it passes on to a pod. */
export const TOKEN_HEADER = 'x-gpu-commons-token'
