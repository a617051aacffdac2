#!/usr/bin/env ruby
# See app.pl.
require 'fcgi'

FCGI.each do |request|
  ask = request.env['QUERY_STRING'].to_s.split('&').map { |pair| pair.split('=', 2) }.to_h
  sleep ask['ms'].to_f / 1000 if ask['ms']
  sleep 0.01 while ask['wait'] && !File.exist?(ask['wait'])
  Process.kill(:ABRT, $$) if ask['crash'] == 'abort'
  exit!(3) if ask['crash']
  request.out.print "Content-Type: text/plain\r\n\r\npid #{$$}\n"
  request.finish
end
