#!/bin/sh
# Writes .env with fresh passwords for docker-compose.yml; what is there already stays.
set -eu
cd "$(dirname "$0")/.."
umask 077
touch .env
for name in MYSQL_PASSWORD MYSQL_ROOT_PASSWORD GRAFANA_PASSWORD; do
    grep -q "^$name=" .env && continue
    # Letters and digits only, since the first one stands in a URL.
    echo "$name=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >>.env
    echo "env: made $name"
done
echo "env: the passwords are in .env"
