# What a booted guest does in a boot test. Lines "name: value" are compared with the host's answer
# or with a rule in boot_test.py; the rest is for the reader of a failure.
echo "session begins"
echo "kernel: $(uname -m)"
echo "sum of busybox: $(sha256sum /bin/busybox | cut -d' ' -f1)"
echo "sum of zeros: $(dd if=/dev/zero bs=4096 count=512 2>/dev/null | md5sum | cut -d' ' -f1)"
echo "awk: $(awk -f ./numbers.awk)"
echo "pipe: $(seq 1 2000 | sort -rn | head -n 5 | tr '\n' ' ')"
echo "compressed: $(seq 1 20000 | gzip -9 | gunzip | md5sum | cut -d' ' -f1)"
(sleep 0.3; echo done > /tmp/background) &
job=$!
echo "early: $(cat /tmp/background 2>/dev/null)"
wait $job
echo "background: $(cat /tmp/background)"
sh -c 'kill -SEGV $$' 2>/dev/null
echo "signal: $?"
sh -c 'trap "exit 7" USR1; (sleep 0.1; kill -USR1 $$) & while :; do :; done'
echo "trap: $?"
i=0
while [ $i -lt 40 ]; do
  /bin/true || echo "process $i failed"
  i=$((i + 1))
done
echo "processes: $i"
mkdir /tmp/tree && (cd /tmp/tree && tar -cf - -C /script . | tar -xf - && find . -type f | sort | xargs sha256sum | sha256sum | cut -d' ' -f1 > /tmp/tree.sum)
echo "files: $(ls /tmp/tree | wc -l)"
echo "memory size: $(awk '/MemTotal/ { print ($2 > 300000) ? "enough" : "little" }' /proc/meminfo)"
echo "interrupts: $(awk '/ttyS0|serial/ { serial = 1 } /timer|LOC/ { if ($2 > 10) timer = 1 } END { print serial + 0, timer + 0 }' /proc/interrupts)"
cat /proc/interrupts
head -n 5 /proc/meminfo
./probe
./probe again > /tmp/second && ./probe again | cmp - /tmp/second && echo "repeatable: yes"
echo "session ends"
