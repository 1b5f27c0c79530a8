{{/*
Everything of one kind of node: the headless Service that gives each pod its name, the StatefulSet and the
PodDisruptionBudget. Takes `root`, `component` (coordinator or shard), `node` (its values) and `args`.
*/}}
{{- define "vectra.node" -}}
{{- $name := printf "%s-%s" (include "vectra.name" .root) .component -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels:
    {{- include "vectra.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  clusterIP: None
  # Nodes find each other by these names before any of them is ready.
  publishNotReadyAddresses: true
  ports:
    - name: grpc
      port: 8100
      targetPort: grpc
    - name: http
      port: 8000
      targetPort: http
  selector:
    {{- include "vectra.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels:
    {{- include "vectra.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  serviceName: {{ $name }}
  replicas: {{ .node.count }}
  # All at once: a cluster is founded, and a shard elects its leader, by several of them together.
  podManagementPolicy: Parallel
  # One after the other when they are replaced; the pause lets a node catch up on the log it missed.
  updateStrategy:
    type: RollingUpdate
  minReadySeconds: 15
  selector:
    matchLabels:
      {{- include "vectra.labels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "vectra.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
    spec:
      # A Service called vectra would otherwise set VECTRA_PORT, and unknown keys stop the start.
      enableServiceLinks: false
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ .node.terminationGracePeriodSeconds }}
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .node.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .node.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      affinity:
        podAntiAffinity:
          {{- if eq .root.Values.antiAffinity "required" }}
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels:
                  {{- include "vectra.labels" .root | nindent 18 }}
                  app.kubernetes.io/component: {{ .component }}
          {{- else }}
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: kubernetes.io/hostname
                labelSelector:
                  matchLabels:
                    {{- include "vectra.labels" .root | nindent 20 }}
                    app.kubernetes.io/component: {{ .component }}
          {{- end }}
      # The user of the image; fsGroup lets it write to a volume that is new.
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: vectra
          image: {{ printf "%s:%s" .root.Values.image.repository (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args:
            {{- range .args }}
            - {{ . | quote }}
            {{- end }}
          env:
            # A pod keeps its name wherever it is started anew, so nodes are advertised by it.
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            {{- with .root.Values.apiKeys.secret }}
            - name: VECTRA_API_KEYS
              valueFrom:
                secretKeyRef:
                  name: {{ . }}
                  key: api-keys
            {{- end }}
            {{- range $key, $value := .node.env }}
            - name: {{ $key }}
              value: {{ $value | quote }}
            {{- end }}
          ports:
            - name: http
              containerPort: 8000
            - name: grpc
              containerPort: 8100
          # Ten minutes to open the data and replay the log.
          startupProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 120
          # Only a process that answers nothing at all for a minute is started anew.
          livenessProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          # Whether it is part of its cluster. Nothing that makes it so waits for it to be ready.
          readinessProbe:
            httpGet:
              path: /ready
              port: http
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          {{- if eq .component "coordinator" }}
          # Clients are sent elsewhere before the port closes.
          lifecycle:
            preStop:
              exec:
                command: [sleep, "5"]
          {{- end }}
          resources:
            {{- toYaml .node.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: data
              mountPath: /var/lib/vectra
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .node.storage.className }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ .node.storage.size }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels:
    {{- include "vectra.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  # Of three copies, or three votes, two must stay.
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "vectra.labels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
{{- end }}
