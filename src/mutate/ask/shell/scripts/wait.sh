interval=$1 limit=$2
shift 2
trap 'exit 143' TERM INT
began=$(date +%s)
until now=$(check "$@" 2>&1); do
  if [ "$now" != "${said-}" ]; then
    said=$now
    printf 'waiting: %s\n' "$said"
  fi
  if [ "$limit" != none ] && [ $(($(date +%s) - began)) -ge "$limit" ]; then
    echo "given up after $limit s"
    exit 1
  fi
  sleep "$interval" &
  wait $!
done
echo guarded
