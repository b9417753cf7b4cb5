# Loads the driver of the card and talks to the host in every way there is.
insmod /script/e1000.ko || echo "no e1000"
word() { sed -n "s/.*$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
host=10.0.2.2
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -n -q -t 5 -s /script/address.sh > /dev/null 2>&1
echo "address: $(ip -4 addr show dev eth0 | sed -n 's/.*inet \([^ ]*\).*/\1/p')"
echo "ping: $(ping -c 2 -w 5 $host | grep -c 'bytes from')"
echo "fetched: $(wget -q -O - http://$host:$(word http)/data | md5sum | cut -d' ' -f1)"
seq 1 400000 > /tmp/numbers
echo "sent: $(nc $host $(word sink) < /tmp/numbers)"
httpd -p 80 -h /tmp
echo "ready"
nc -l -p 7 > /tmp/farewell
echo "farewell: $(cat /tmp/farewell)"
killall httpd
rmmod e1000
echo "network done"
