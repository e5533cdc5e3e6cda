  timeout 60 az login --identity --allow-no-subscriptions --output none "$@"
