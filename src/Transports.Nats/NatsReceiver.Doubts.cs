namespace Postrider.Transports.Nats;

/// <content>
/// Messages that match no binding that is known here: another process may have added one, or the filter on the server takes too much. And those of which the queue has
/// a copy in one of its levels.
/// </content>
internal sealed partial class NatsReceiver
{
    /// <summary>Guarded by the gate.</summary>
    private List<(NatsDelivery Delivery, string? Topic)> _doubtful = [];

    private bool _doubting;

    /// <summary>The bindings are read once for all that came until then, however much the filter takes. The caller holds the gate.</summary>
    /// <param name="delivery">The message.</param>
    /// <param name="topic">Its topic; null if there is no doubt that it is not for us.</param>
    private void Doubt(NatsDelivery delivery, string? topic)
    {
        _doubtful.Add((delivery, topic));
        if (!_doubting)
        {
            _doubting = true;
            _ = Task.Run(DoubtAsync);
        }
    }

    private async Task DoubtAsync()
    {
        while (true)
        {
            List<(NatsDelivery Delivery, string? Topic)> doubtful;
            lock (_gate)
            {
                if (_doubtful.Count == 0)
                {
                    _doubting = false;
                    _signal.Set();
                    return;
                }

                (doubtful, _doubtful) = (_doubtful, []);
            }

            try
            {
                if (doubtful.Exists(static one => one.Topic is not null))
                {
                    _bindings = await BindingsAsync(CancellationToken.None).ConfigureAwait(false);
                }

                foreach (var (delivery, topic) in doubtful)
                {
                    if (topic is not null && _bindings.Matches(topic))
                    {
                        lock (_gate)
                        {
                            Keep(delivery);
                        }

                        _signal.Set();
                    }
                    else
                    {
                        var link = await LinkAsync(CancellationToken.None).ConfigureAwait(false);
                        await link.WriteAsync(delivery.AckSubject, default, null, null, CancellationToken.None).ConfigureAwait(false);
                    }
                }
            }
            catch (Exception e)
            {
                // They come again after their ack wait.
                _log.Unreadable(Queue, e);
            }
        }
    }
}
