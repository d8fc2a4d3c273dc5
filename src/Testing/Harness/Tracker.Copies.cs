using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <content>What becomes of each copy. All under the lock.</content>
internal sealed partial class Tracker
{
    private readonly Dictionary<(string Queue, string MessageId), List<Copy>> _copies = [];
    private readonly PriorityQueue<Copy, DateTimeOffset> _later = new();
    private int _busy;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="copy">What is followed.</param>
    /// <param name="settlement">How its delivery was settled.</param>
    /// <param name="told">What the broker was told.</param>
    /// <param name="isLast">It cannot be followed further: another process has it, say.</param>
    private void Follow(Copy copy, in Settlement settlement, SettlementKind told, bool isLast)
    {
        switch (told)
        {
            case var _ when isLast:
                Move(copy, CopyState.Ended);
                break;
            case SettlementKind.Retry:
                Wait(copy, timeline.Now + settlement.Delay);
                break;
            case SettlementKind.Release:
                Wait(copy, timeline.Now);
                break;
            case SettlementKind.DeadLetter when TellsOfFailure(copy.Queue, settlement.Delivery.Envelope):
                Move(copy, CopyState.Telling);
                break;
            default:
                Move(copy, CopyState.Ended);
                break;
        }
    }

    private IEnumerable<string> Queues(Destination destination) => destination.Kind == DestinationKind.Queue
        ? _queues.Where(queue => queue == destination.Name)
        : _bindings.Where(binding => TopicPattern.Matches(binding.Pattern, destination.Name)).Select(static binding => binding.Queue).Distinct();

    private List<Copy> Of(string queue, string messageId) => _copies.TryGetValue((queue, messageId), out var copies) ? copies : [];

    private Copy Add(string queue, string messageId, Flow? flow)
    {
        var copy = new Copy(queue, messageId, flow);
        if (!_copies.TryGetValue((queue, messageId), out var copies))
        {
            _copies[(queue, messageId)] = copies = [];
        }

        copies.Add(copy);
        return copy;
    }

    private void Wait(Copy copy, DateTimeOffset due)
    {
        copy.Due = due;
        if (due <= timeline.Now)
        {
            Move(copy, CopyState.Ready);
        }
        else
        {
            Move(copy, CopyState.Later);
            _later.Enqueue(copy, due);
        }
    }

    /// <summary>Afterwards the next that is due later is first. One that was handed out meanwhile, or waits for something else, is still there; it is left out here.</summary>
    private void BecomeDue()
    {
        while (_later.TryPeek(out var copy, out var due) && (copy.State != CopyState.Later || copy.Due != due || due <= timeline.Now))
        {
            _later.Dequeue();
            if (copy.State == CopyState.Later && copy.Due == due)
            {
                Move(copy, CopyState.Ready);
            }
        }
    }

    private void Move(Copy copy, CopyState state)
    {
        Count(copy, -1);
        copy.State = state;
        Count(copy, +1);
        if (state == CopyState.Ended && _copies.TryGetValue((copy.Queue, copy.MessageId), out var copies) && copies.Remove(copy) && copies.Count == 0)
        {
            _copies.Remove((copy.Queue, copy.MessageId));
        }

        if (_busy == 0 || copy.Flow?.Open == 0)
        {
            var changed = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
            changed.SetResult();
        }
    }

    private void MoveInHand(Delivery delivery, CopyState state)
    {
        lock (_gate)
        {
            if (_inHand.TryGetValue(delivery, out var found) && found.Copy.Delivery == delivery)
            {
                Move(found.Copy, state);
            }
        }
    }

    private void Count(Copy copy, int by)
    {
        _busy += copy.IsBusy ? by : 0;
        if (copy.IsOpen)
        {
            Everything.Open += by;
            if (copy.Flow is { } flow)
            {
                flow.Open += by;
            }
        }
    }
}
