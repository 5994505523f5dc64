export const GROUP = 'gpucommons.io'
export const VERSION = 'v1alpha1'
export const apiVersion = `${GROUP}/${VERSION}` as const
