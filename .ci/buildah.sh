# How CI uses buildah: without a daemon, in a storage of its own, on machines where containers cannot
# be nested. Sourced by other scripts; not run by itself.

# What CI keeps between runs on one machine.
NECOPERF_CI_CACHE=${NECOPERF_CI_CACHE:-/var/cache/necoperf-ci}
export NECOPERF_CI_CACHE BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
mkdir -p "$NECOPERF_CI_CACHE"

buildah() {
  command buildah --root "$NECOPERF_CI_CACHE/storage" --runroot /run/necoperf-ci "$@"
}
