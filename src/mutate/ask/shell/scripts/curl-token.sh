  token="http://$2/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$3"
  status=$(curl -q -s -g --noproxy '*' -m "$1" -o /dev/null -w '%{http_code}' -H 'Metadata: true' "$token")
  [ "$status" = 200 ] && return
  printf 'no token for %s: status %s\n' "$3" "$status"
  return 1
