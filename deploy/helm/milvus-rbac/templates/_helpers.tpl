{{- define "milvus-rbac.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 52 characters at most: the label of a StatefulSet's revision appends 11. */}}
{{- define "milvus-rbac.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "milvus-rbac.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "milvus-rbac.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "milvus-rbac.selector" -}}
app.kubernetes.io/name: {{ include "milvus-rbac.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "milvus-rbac.labels" -}}
{{ include "milvus-rbac.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "milvus-rbac.metadata" -}}
name: {{ include "milvus-rbac.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "milvus-rbac.labels" . | nindent 2 }}
{{- end }}

{{- define "milvus-rbac.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "milvus-rbac.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* repository:tag, or repository@digest. Called with an image and the tag that stands for an empty one. */}}
{{- define "milvus-rbac.image" -}}
{{- $image := .image -}}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ default .tag $image.tag }}{{ end }}
{{- end }}

{{- define "milvus-rbac.rootSecret" -}}
{{- default (printf "%s-root" (include "milvus-rbac.fullname" .)) .Values.rootPassword.existingSecret }}
{{- end }}

{{/* "true" or nothing. The first of the list is the value, the second what `auto` means. */}}
{{- define "milvus-rbac.enabled" -}}
{{- $value := index . 0 }}
{{- if eq (toString $value) "auto" }}{{ $value = index . 1 }}{{ end }}
{{- if $value }}true{{ end }}
{{- end }}

{{- define "milvus-rbac.networkPolicy" -}}
{{- include "milvus-rbac.enabled" (list .Values.networkPolicy.enabled (eq .Values.mode "sidecar")) }}
{{- end }}

{{- define "milvus-rbac.policy" -}}
{{- default (ternary (printf "%s-policy" (include "milvus-rbac.fullname" .)) "" (not (empty .Values.policy.document))) .Values.policy.existingConfigMap }}
{{- end }}

{{/* What no schema can say of one value alone. */}}
{{- define "milvus-rbac.check" -}}
{{- $v := .Values -}}
{{- if eq $v.mode "replicated" }}
  {{- if not $v.etcd.endpoints }}{{ fail "etcd.endpoints: mode replicated needs the etcd that holds the store, as HOST:PORT" }}{{ end }}
  {{- if and $v.etcd.tls.enabled (not $v.etcd.tls.existingSecret) }}{{ fail "etcd.tls.existingSecret: with etcd.tls.enabled it must name a Secret with ca.crt, since the image trusts nobody by itself" }}{{ end }}
{{- else if $v.etcd.endpoints }}{{ fail (printf "etcd.endpoints: only mode replicated uses an etcd, and this is %s" $v.mode) }}
{{- end }}
{{- if and (ne $v.mode "sidecar") (or $v.sidecar.auditOnly $v.sidecar.upstreamLogin.existingSecret) }}{{ fail (printf "sidecar: only mode sidecar has something behind it, and this is %s" $v.mode) }}{{ end }}
{{- if and (or $v.tls.clientCa $v.tls.clientUser) (not $v.tls.existingSecret) }}{{ fail "tls.existingSecret: tls.clientCa and tls.clientUser need a Secret with tls.crt, tls.key and ca.crt" }}{{ end }}
{{- if and $v.tls.clientUser (not $v.tls.clientCa) }}{{ fail "tls.clientUser: needs tls.clientCa: true, or nobody would have to show a certificate" }}{{ end }}
{{- if and $v.policy.document $v.policy.existingConfigMap }}{{ fail "policy: either document or existingConfigMap, not both" }}{{ end }}
{{- if and $v.policy.prune (not (include "milvus-rbac.policy" .)) }}{{ fail "policy.prune: needs policy.document or policy.existingConfigMap" }}{{ end }}
{{- if hasKey $v.podLabels "app.kubernetes.io/name" }}{{ fail "podLabels: app.kubernetes.io/name is what Services and policies select by" }}{{ end }}
{{- if le (int $v.lifecycle.terminationGracePeriodSeconds) (add 10 $v.lifecycle.drainWait | int) }}{{ fail (printf "lifecycle.terminationGracePeriodSeconds: must be more than drainWait and the 10 s that running calls get: more than %d" (add 10 $v.lifecycle.drainWait)) }}{{ end }}
{{- $ports := list 19530 9091 (int $v.milvus.port) (int $v.milvus.metricsPort) 19529 2379 2380 }}
{{- if and (eq $v.mode "sidecar") (ne (len ($ports | uniq)) (len $ports)) }}{{ fail "milvus.port, milvus.metricsPort: 19530, 9091, 19529, 2379 and 2380 are taken in this pod, and they must differ" }}{{ end }}
{{- end }}

{{/*
Everything that the server is told, as a dictionary of its environment. All of it is here, none in
arguments, so that a value is told in one way.
*/}}
{{- define "milvus-rbac.env" -}}
{{- $v := .Values -}}
{{- $etc := "/etc/milvus-rbac" }}
{{- $env := dict
  "MILVUS_RBAC_LISTEN" "0.0.0.0:19530"
  "MILVUS_RBAC_ADMIN_LISTEN" "0.0.0.0:9091"
  "MILVUS_RBAC_ROOT_PASSWORD_FILE" (printf "%s/root/password" $etc)
  "MILVUS_RBAC_MAX_USERS" $v.limits.maxUsers
  "MILVUS_RBAC_MAX_ROLES" $v.limits.maxRoles
  "MILVUS_RBAC_AUDIT_MAX_AGE" $v.audit.maxAgeDays
  "MILVUS_RBAC_AUDIT_MAX_BYTES" $v.audit.maxBytes
  "MILVUS_RBAC_AUDIT_ALLOWED" $v.audit.allowed
  "MILVUS_RBAC_LOG_LEVEL" $v.log.level
  "MILVUS_RBAC_LOG_FORMAT" $v.log.format
}}
{{- if eq $v.mode "replicated" }}
  {{- $scheme := ternary "etcds" "etcd" $v.etcd.tls.enabled }}
  {{- $_ := set $env "MILVUS_RBAC_STORE" (printf "%s://%s/%s?max-txn-ops=%d&max-request-bytes=%d" $scheme (join "," $v.etcd.endpoints) $v.etcd.root (int $v.etcd.maxTxnOps) (int $v.etcd.maxRequestBytes)) }}
  {{- $_ := set $env "MILVUS_RBAC_MAX_STALENESS" $v.maxStaleness }}
  {{- if $v.strictRevokes }}{{ $_ := set $env "MILVUS_RBAC_STRICT_REVOKES" "true" }}{{ end }}
  {{- if $v.etcd.login.existingSecret }}{{ $_ := set $env "MILVUS_RBAC_STORE_LOGIN_FILE" (printf "%s/etcd-login/login" $etc) }}{{ end }}
  {{- if $v.etcd.tls.enabled }}
    {{- $_ := set $env "MILVUS_RBAC_STORE_CA" (printf "%s/etcd-tls/ca.crt" $etc) }}
    {{- if $v.etcd.tls.clientCertificate }}
      {{- $_ := set $env "MILVUS_RBAC_STORE_CERT" (printf "%s/etcd-tls/tls.crt" $etc) }}
      {{- $_ := set $env "MILVUS_RBAC_STORE_KEY" (printf "%s/etcd-tls/tls.key" $etc) }}
    {{- end }}
  {{- end }}
{{- else }}
  {{- $_ := set $env "MILVUS_RBAC_STORE" "sled:/data/store" }}
{{- end }}
{{- if eq $v.mode "sidecar" }}
  {{- $upstream := printf "http://127.0.0.1:%d" (int $v.milvus.port) }}
  {{- $_ := set $env "MILVUS_RBAC_UPSTREAM" $upstream }}
  {{- $_ := set $env "MILVUS_RBAC_UPSTREAM_REST" $upstream }}
  {{- if $v.sidecar.upstreamLogin.existingSecret }}{{ $_ := set $env "MILVUS_RBAC_UPSTREAM_AUTH" (printf "file:%s/upstream-login/login" $etc) }}{{ end }}
  {{- if $v.sidecar.auditOnly }}{{ $_ := set $env "MILVUS_RBAC_AUDIT_ONLY" "true" }}{{ end }}
{{- else }}
  {{- $_ := set $env "MILVUS_RBAC_DRAIN_WAIT" $v.lifecycle.drainWait }}
{{- end }}
{{- $age := $v.lifecycle.maxConnectionAge }}
{{- if eq (toString $age) "auto" }}{{ $age = ternary 300 0 (eq $v.mode "replicated") }}{{ end }}
{{- $_ := set $env "MILVUS_RBAC_MAX_CONNECTION_AGE" $age }}
{{- if $v.tls.existingSecret }}
  {{- $_ := set $env "MILVUS_RBAC_TLS_CERT" (printf "%s/tls/tls.crt" $etc) }}
  {{- $_ := set $env "MILVUS_RBAC_TLS_KEY" (printf "%s/tls/tls.key" $etc) }}
  {{- if $v.tls.clientCa }}{{ $_ := set $env "MILVUS_RBAC_TLS_CLIENT_CA" (printf "%s/tls/ca.crt" $etc) }}{{ end }}
  {{- with $v.tls.clientUser }}{{ $_ := set $env "MILVUS_RBAC_TLS_CLIENT_USER" . }}{{ end }}
{{- end }}
{{- if include "milvus-rbac.policy" . }}
  {{- $_ := set $env "MILVUS_RBAC_POLICY" (printf "%s/policy/%s" $etc $v.policy.key) }}
  {{- $_ := set $env "MILVUS_RBAC_POLICY_INTERVAL" $v.policy.interval }}
  {{- if $v.policy.prune }}{{ $_ := set $env "MILVUS_RBAC_POLICY_PRUNE" "true" }}{{ end }}
{{- end }}
{{- if $v.otlp.endpoint }}
  {{- $_ := set $env "MILVUS_RBAC_OTLP_ENDPOINT" $v.otlp.endpoint }}
  {{- $_ := set $env "MILVUS_RBAC_OTLP_SAMPLE" $v.otlp.sample }}
{{- end }}
{{- range $name, $value := $v.env }}
  {{- if has $name (list "MILVUS_RBAC_AUTHORIZATION" "MILVUS_RBAC_AUDIT_ONLY" "MILVUS_RBAC_DRAIN_WAIT") }}{{ fail (printf "env: %s changes what the notes and the probes rely on; see sidecar.auditOnly and lifecycle.drainWait" $name) }}{{ end }}
  {{- if hasKey $env $name }}{{ fail (printf "env: %s is set by the chart's other values" $name) }}{{ end }}
  {{- $_ := set $env $name $value }}
{{- end }}
{{- range $name, $value := $env }}
- name: {{ $name }}
  {{- /* Helm reads numbers as floating point: 268435456 would come out as 2.68435456e+08. */}}
  value: {{ if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ int64 $value | quote }}{{ else }}{{ $value | quote }}{{ end }}{{ else }}{{ $value | quote }}{{ end }}
{{- end }}
{{- end }}

{{/*
The server's container, the same in all modes. Called with `root`, and `startup`: whether others may
wait for it.
*/}}
{{- define "milvus-rbac.container" -}}
{{- $v := .root.Values -}}
name: milvus-rbac
image: {{ include "milvus-rbac.image" (dict "image" $v.image "tag" .root.Chart.AppVersion) }}
imagePullPolicy: {{ $v.image.pullPolicy }}
env:
  {{- include "milvus-rbac.env" .root | nindent 2 }}
ports:
  - {name: milvus, containerPort: 19530}
  - {name: admin, containerPort: 9091}
{{- if .startup }}
# Reading a large store takes a while, an etcd up to two minutes.
startupProbe:
  grpc: {port: 9091, service: liveness}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 90
livenessProbe:
  grpc: {port: 9091, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- else }}
# No startupProbe: until it passed, Milvus would not be started. So this one is patient.
livenessProbe:
  grpc: {port: 9091, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 18
{{- end }}
readinessProbe:
  grpc: {port: 9091}
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
resources:
  {{- toYaml $v.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  {{- if ne $v.mode "replicated" }}
  - {name: data, mountPath: /data}
  {{- end }}
  - {name: root-password, mountPath: /etc/milvus-rbac/root, readOnly: true}
  {{- if $v.tls.existingSecret }}
  - {name: tls, mountPath: /etc/milvus-rbac/tls, readOnly: true}
  {{- end }}
  {{- if and (eq $v.mode "replicated") $v.etcd.tls.enabled }}
  - {name: etcd-tls, mountPath: /etc/milvus-rbac/etcd-tls, readOnly: true}
  {{- end }}
  {{- if and (eq $v.mode "replicated") $v.etcd.login.existingSecret }}
  - {name: etcd-login, mountPath: /etc/milvus-rbac/etcd-login, readOnly: true}
  {{- end }}
  {{- if $v.sidecar.upstreamLogin.existingSecret }}
  - {name: upstream-login, mountPath: /etc/milvus-rbac/upstream-login, readOnly: true}
  {{- end }}
  {{- if include "milvus-rbac.policy" .root }}
  - {name: policy, mountPath: /etc/milvus-rbac/policy, readOnly: true}
  {{- end }}
  {{- if $v.policy.passwordsSecret }}
  - {name: passwords, mountPath: /etc/milvus-rbac/passwords, readOnly: true}
  {{- end }}
{{- end }}

{{/* Mode 0440 and fsGroup together let an arbitrary user id read them, and nobody else in the pod. */}}
{{- define "milvus-rbac.volumes" -}}
{{- $v := .Values -}}
- name: root-password
  secret:
    secretName: {{ include "milvus-rbac.rootSecret" . }}
    defaultMode: 0440
    items: [{key: {{ $v.rootPassword.key | quote }}, path: password}]
{{- if $v.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ $v.tls.existingSecret }}, defaultMode: 0440}
{{- end }}
{{- if and (eq $v.mode "replicated") $v.etcd.tls.enabled }}
- name: etcd-tls
  secret: {secretName: {{ $v.etcd.tls.existingSecret }}, defaultMode: 0440}
{{- end }}
{{- if and (eq $v.mode "replicated") $v.etcd.login.existingSecret }}
- name: etcd-login
  secret:
    secretName: {{ $v.etcd.login.existingSecret }}
    defaultMode: 0440
    items: [{key: {{ $v.etcd.login.key | quote }}, path: login}]
{{- end }}
{{- if $v.sidecar.upstreamLogin.existingSecret }}
- name: upstream-login
  secret:
    secretName: {{ $v.sidecar.upstreamLogin.existingSecret }}
    defaultMode: 0440
    items: [{key: {{ $v.sidecar.upstreamLogin.key | quote }}, path: login}]
{{- end }}
{{- with include "milvus-rbac.policy" . }}
- name: policy
  configMap: {name: {{ . }}}
{{- end }}
{{- with $v.policy.passwordsSecret }}
- name: passwords
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{/* A folder that is a claim made by others, or memory of the node. Called with `name`, `persistence`. */}}
{{- define "milvus-rbac.folder" -}}
{{- if not .persistence.enabled }}
- name: {{ .name }}
  emptyDir: {}
{{- else if .persistence.existingClaim }}
- name: {{ .name }}
  persistentVolumeClaim: {claimName: {{ .persistence.existingClaim }}}
{{- end }}
{{- end }}

{{- define "milvus-rbac.claim" -}}
{{- if and .persistence.enabled (not .persistence.existingClaim) }}
- metadata:
    name: {{ .name }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests: {storage: {{ .persistence.size }}}
{{- end }}
{{- end }}

{{- define "milvus-rbac.podMetadata" -}}
labels:
  {{- include "milvus-rbac.selector" . | nindent 2 }}
  {{- with .Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: milvus-rbac
  {{- if .Values.metrics.annotations }}
  prometheus.io/scrape: "true"
  prometheus.io/port: "9091"
  prometheus.io/path: /metrics
  {{- end }}
  {{- with .Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "milvus-rbac.podCommon" -}}
{{- $v := .Values -}}
serviceAccountName: {{ include "milvus-rbac.serviceAccount" . }}
automountServiceAccountToken: false
# A Service named milvus or proxy would change Milvus' settings by the variables that it brings.
enableServiceLinks: false
{{- with $v.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with $v.security.runAsUser }}
  runAsUser: {{ int64 . }}
  {{- end }}
  {{- with $v.security.runAsGroup }}
  runAsGroup: {{ int64 . }}
  {{- end }}
  {{- with $v.security.fsGroup }}
  fsGroup: {{ int64 . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
