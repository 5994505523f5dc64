# One image for hub and agent: `npm ci && npm run build`, then `docker build .` or `buildah bud .`. It holds Node, the built
# programs and nothing else: no shell, no package manager. Bit for bit the same for the same base and sources with
# `buildah bud --timestamp 0`, or SOURCE_DATE_EPOCH=0 and BuildKit's rewrite-timestamp.
#
# BASE needs a Node of package.json's engines at /nodejs/bin/node, as the images of the distroless project have it.
ARG BASE=gcr.io/distroless/nodejs24-debian12:nonroot
FROM ${BASE}
COPY --chmod=0444 dist/*.mjs /app/
USER 65532:65532
# See test/bed/program.ts for what these are worth.
ENV MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 MALLOC_MMAP_THRESHOLD_=131072
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=4", "--heap-growing-percent=30"]
CMD ["/app/hub.mjs"]
