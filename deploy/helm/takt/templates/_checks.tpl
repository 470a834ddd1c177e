{{/* Everything that would keep a server from serving, or damage what it keeps, told before anything is made. */}}
{{- define "takt.check" -}}
{{- $faults := list -}}
{{- range list "takt.faultOfCallers" "takt.faultOfModels" "takt.faultOfIngress" "takt.faultOfRecord" "takt.faultOfNetwork" "takt.faultOfScaling" -}}
{{- with include . $ | trim }}{{ $faults = append $faults . }}{{ end -}}
{{- end -}}
{{- if $faults }}{{ fail (printf "\n\n%s\n" (join "\n\n" $faults)) }}{{ end -}}
{{- end }}

{{/* A server that other machines reach must know its callers, or be told that it need not. */}}
{{- define "takt.faultOfCallers" -}}
{{- if not (or .Values.keys.secret .Values.settings.oidc_issuer .Values.insecure) }}
keys.secret: the server has to know its callers. Make a key, which is printed this
once, and a Secret of its file:

    takt keys add camera --scope inspect --scope read --file keys.toml
    kubectl -n {{ .Release.Namespace }} create secret generic {{ .Release.Name }}-keys --from-file=keys.toml

and add --set keys.secret={{ .Release.Name }}-keys. Or --set insecure=true, with which
whoever reaches the service may do everything.
{{- else if and .Values.tls.clientAuthorities (not .Values.tls.secret) }}
tls.clientAuthorities: callers show certificates over TLS alone. Set tls.secret, too.
{{- end }}
{{- end }}

{{- define "takt.faultOfModels" -}}
{{- $models := .Values.models -}}
{{- $given := list -}}
{{- range $name, $value := dict "url" $models.url "existingClaim" $models.existingClaim "hostPath" $models.hostPath "image.reference" $models.image.reference -}}
{{- if $value }}{{ $given = append $given (printf "models.%s" $name) }}{{ end -}}
{{- end -}}
{{- if not $given }}
models: the server needs bundles, <name>/<version>/ each. Say where they are, by one of

    --set models.url=https://HOST/FOLDER    or s3://BUCKET/FOLDER, gs://BUCKET/FOLDER
    --set models.existingClaim=NAME         a claim that has them
    --set models.hostPath=/FOLDER           a folder of the node
    --set models.image.reference=IMAGE      an image that has them
{{- else if gt (len $given) 1 }}
models: the bundles are in one place, and {{ join " and " $given }} are set. Leave one of them.
{{- else if and $models.credentials.secret (not $models.url) }}
models.credentials.secret is for a store that models.url names, and {{ first $given }} is set. Leave one of them out.
{{- else if and $models.url (or $models.readOnly $models.subPath) }}
models.readOnly and models.subPath are of a volume, and models.url is set. Leave them out, and write a folder behind the URL.
{{- end }}
{{- end }}

{{- define "takt.faultOfIngress" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
ingress.host: the server answers to names that it knows, and has a host of its own.
Add --set ingress.host=takt.plant.example
{{- end }}
{{- end }}

{{- define "takt.faultOfScaling" -}}
{{- $scaling := .Values.autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
autoscaling.minReplicas is {{ int $scaling.minReplicas }} and maxReplicas {{ int $scaling.maxReplicas }}, which KEDA refuses: raise maxReplicas, or lower minReplicas.
{{- end }}
{{- end }}

{{/* What would damage a record, lose it or keep the server from it. */}}
{{- define "takt.faultOfRecord" -}}
{{- $record := .Values.record -}}
{{- $several := include "takt.several" . -}}
{{- if eq $record.store "sqlite" -}}
{{- if $several }}
record.store=sqlite is a file of one pod, and there may be several: set replicas to 1 and autoscaling.enabled to false, or record.store to postgresql.
{{- else if and .Values.strategy (ne (default "" .Values.strategy.type) "Recreate") }}
record.store=sqlite is a file of one pod, and this strategy starts the next pod before the last one has ended: leave strategy out, or set record.store to postgresql.
{{- end -}}
{{- else if eq $record.store "postgresql" -}}
{{- if not $record.postgresql.secret }}
record.postgresql.secret: make a Secret of the database's URL,

    kubectl -n {{ .Release.Namespace }} create secret generic {{ .Release.Name }}-record --from-literal=url=postgresql://USER:PASSWORD@HOST/DATABASE

and add --set record.postgresql.secret={{ .Release.Name }}-record
{{- else if and $several (include "takt.recordIsOfOne" .) }}
several pods keep pictures, and one node at a time can have the claim for them: set record.claim.accessModes to [ReadWriteMany], name a shared claim with record.existingClaim, or set settings.keep to none.
{{- end -}}
{{- end -}}
{{- end }}

{{- define "takt.faultOfNetwork" -}}
{{- $policy := .Values.networkPolicy -}}
{{- if $policy.enabled -}}
{{- if and .Values.ingress.enabled (eq (toJson $policy.from) (toJson (list (dict "podSelector" dict)))) }}
networkPolicy.from lets pods of the namespace {{ .Release.Namespace }} alone reach the server, and an Ingress has a controller elsewhere: name the controller's namespace or pods there.
{{- end -}}
{{- if not $policy.egress -}}
{{- if eq .Values.record.store "postgresql" }}
networkPolicy.egress lets the server reach nobody, and its record is in PostgreSQL: name the database's port and that of the cluster's DNS there.
{{- else if .Values.models.url }}
networkPolicy.egress lets the server reach nobody, and its bundles are at models.url: name the store's port and that of the cluster's DNS there.
{{- else -}}
{{- range $name, $whom := dict "oidc_issuer" "the issuer" "mqtt_url" "the broker" "webhooks_file" "the receivers" -}}
{{- if get $.Values.settings $name }}
networkPolicy.egress lets the server reach nobody, and settings.{{ $name }} is set: name the port of {{ $whom }} and that of the cluster's DNS there.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
